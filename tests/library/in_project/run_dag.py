"""Run one DAG of a folder in a real Airflow, without a scheduler: python run_dag.py DAGS DAG_ID [CONF ...]

For each CONF (the run's params as JSON) it prints one line of JSON: the run's state, and what each task returned or
why it failed.
"""

import json
import sys

from airflow.dag_processing.dagbag import DagBag
from airflow.utils.db import initdb

folder, dag_id, *confs = sys.argv[1:]
initdb()
bag = DagBag(folder)
assert bag.import_errors == {}, bag.import_errors
dag = bag.dags[dag_id]
for conf in confs:
    found = {}

    def failed(context, found=found):
        found[context["ti"].task_id] = str(context["exception"])

    for task in dag.tasks:
        settings = task.partial_kwargs if task.is_mapped else vars(task)
        settings.update(retries=0, on_failure_callback=[failed])
    run = dag.test(logical_date=None, run_conf=json.loads(conf))
    for instance in run.get_task_instances():
        found.setdefault(instance.task_id, instance.xcom_pull(task_ids=instance.task_id))
    print(json.dumps({"state": run.state, **found}))
