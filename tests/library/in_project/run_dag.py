"""Run DAGs of a folder in a real Airflow, without a scheduler: python run_dag.py DAGS

Each line that it reads is a list in JSON: a DAG's id, then the params of each of its runs, the next id and so on. It
prints a line with what came of them: each run's state, and what each task returned or why it failed. For the word
`scheduler` it does what a scheduler does once with what was published, and gives DAG and partition key of each run that
it made: [["day_of_shop", "2018-02-01"]].
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

# Airflow's log is on the same stream.
ANSWER = "answer: "


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


def main(folder):
    initdb()
    bag = DagBag(folder, bundle_path=folder, bundle_name="dags")
    assert bag.import_errors == {}, bag.import_errors
    # The scheduler only knows what a DAG processor has written.
    with create_session() as session:
        session.add(DagBundleModel(name="dags"))
    sync_bag_to_db(bag, "dags", None)
    for line in sys.stdin:
        print(f"{ANSWER}{json.dumps(list(answers(bag, json.loads(line))))}", flush=True)


def answers(bag, words):
    for word in words:
        if word == "scheduler":
            yield scheduler()
        elif isinstance(word, str):
            dag = bag.dags[word]
        else:
            yield run(dag, word)


if __name__ == "__main__":
    main(*sys.argv[1:])
