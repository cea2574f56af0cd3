"""Run DAGs of a folder in a real Airflow, without a scheduler: python run_dag.py DAGS DAG_ID CONF ... DAG_ID CONF ...

For each CONF (the run's params as JSON) it prints one line of JSON: the run's state, and what each task returned or
why it failed. For the word `scheduler` it does what a scheduler does once with what was published, and prints DAG and
partition key of each run that it made: [["day_of_shop", "2018-02-01"]].
"""

import json
import sys

from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
from airflow.jobs.job import Job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.utils.db import initdb
from airflow.utils.session import create_session
from sqlalchemy import select


def run(dag, conf):
    found = {}

    def failed(context):
        found[context["ti"].task_id] = str(context["exception"])

    for task in dag.tasks:
        settings = task.partial_kwargs if task.is_mapped else vars(task)
        settings.update(retries=0, on_failure_callback=[failed])
    done = dag.test(logical_date=None, run_conf=conf)
    for instance in done.get_task_instances():
        found.setdefault(instance.task_id, instance.xcom_pull(task_ids=instance.task_id))
    return {"state": done.state, **found}


def scheduler():
    with create_session() as session:
        SchedulerJobRunner(Job())._create_dagruns_for_partitioned_asset_dags(session)
        runs = session.execute(select(DagRun.dag_id, DagRun.partition_key).where(DagRun.state == "queued"))
        return sorted(map(list, runs))


def main(folder, *words):
    initdb()
    bag = DagBag(folder, bundle_path=folder, bundle_name="dags")
    assert bag.import_errors == {}, bag.import_errors
    if "scheduler" in words:  # it only knows what a DAG processor has written
        with create_session() as session:
            session.add(DagBundleModel(name="dags"))
        sync_bag_to_db(bag, "dags", None)
    for word in words:
        if word in bag.dags:
            dag = bag.dags[word]
        else:
            print(json.dumps(scheduler() if word == "scheduler" else run(dag, json.loads(word))))


if __name__ == "__main__":
    main(*sys.argv[1:])
