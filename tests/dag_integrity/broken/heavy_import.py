"""pandas at the top."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task
import pandas as pd  # expect: heavy-import

with DAG(
    dag_id="heavy_import",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
):
    @task
    def load():
        return len(pd.DataFrame())

    load()
# cure: import pandas as pd => PANDAS = "in the task"
# cure: return len(pd.DataFrame()) => import pandas as pd\n\n        return len(pd.DataFrame())
