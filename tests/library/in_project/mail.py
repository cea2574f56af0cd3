"""What ETL_NOTIFY sends: a run of extract that fails, then the deadline of a run, as the triggerer does it.

Run by the Python of a baked project, DAG folder on the path, ETL_NOTIFY and AIRFLOW_CONN_SMTP_DEFAULT set.
"""

import asyncio

from airflow.dag_processing.dagbag import DagBag
from airflow.triggers.callback import CallbackTrigger
from airflow.utils.db import initdb


async def call_back(alert):
    """Do what the triggerer does with an AsyncCallback of a deadline that was missed."""
    context = {"dag_run": {"run_id": "late"}, "deadline": {"deadline_time": "2018-02-01T02:00:00Z"}}
    trigger = CallbackTrigger(alert.callback.path, {**alert.callback.kwargs, "context": context})
    return [event.payload async for event in trigger.run()]


def main():
    initdb()
    dag = DagBag("dags").dags["extract"]
    for task in dag.tasks:
        (task.partial_kwargs if task.is_mapped else vars(task))["retries"] = 0
    # The sample has no such day.
    run = dag.test(logical_date=None, run_conf={"partition": "2018-03-01", "slices": 1})
    print("the run:", run.state)
    (alert,) = dag.deadline
    print("the deadline:", asyncio.run(call_back(alert)))


if __name__ == "__main__":
    main()
