"""Everything that Airflow provides."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Param, task
from airflow.providers.standard.operators.bash import BashOperator

with DAG(
    dag_id="good_template",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
    params={"limit": Param(1, type="integer")},
    user_defined_macros={"shop": "north"},
):
    say = BashOperator(
        task_id="say",
        bash_command="echo {{ ds }} {{ logical_date }} {{ params.limit }} {{ shop }} {{ macros.ds_add(ds, 1) }} {{ ti.xcom_pull('load') }}",
        env={"A": "{% for i in range(3) %}{{ i }}{% endfor %}", "B": "{{ partition_key or ds }} {{ var.json.x }} {{ run_id | upper }}"},
    )

    @task(map_index_template="{{ part }}")
    def load(part):
        return part

    load.expand(part=["a", "b"]) >> say

    class Report(BashOperator):
        """It adds to what its templates may name, once it has asked for that."""

        def render_template_fields(self, context, jinja_env=None):
            super().render_template_fields({**context, "rows": 1}, jinja_env)

    Report(task_id="report", bash_command="echo {{ rows }}")

    class Remote(BashOperator):
        """It starts a DAG of another Airflow."""

        trigger_dag_id = external_dag_id = "not_of_this_airflow"

    Remote(task_id="remote", bash_command="true")
