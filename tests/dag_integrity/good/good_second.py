"""Near to what the rules of runs and outputs refuse, and right."""

from datetime import timedelta

import pendulum
import asyncio
from dataclasses import dataclass
from pathlib import Path

from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.providers.standard.sensors.external_task import ExternalTaskSensor
from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import DAG, BaseOperator, task


@dataclass
class Order:
    number: int


class TwoSteps(BaseOperator):
    def execute(self, context):
        self.defer(trigger=TimeDeltaTrigger(timedelta(minutes=1)), method_name=self.later.__name__)

    def later(self, context, event=None):
        return event


async def fetch():
    await asyncio.sleep(0)
    return [1, 2]



with DAG(
    dag_id="good_second",
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
    def clean(text):
        return text.strip()

    @task
    async def gathered():
        jobs = [fetch(), fetch()]
        one, two = fetch(), fetch()
        last = fetch()
        last = await last
        for _ in last:
            await two
        for job in asyncio.as_completed([fetch()]):
            print(await job)
        return [*await asyncio.gather(*jobs), await one]

    @task
    def plain(ds=None, dag_run=None, triggering_asset_events=None):
        clean = str.strip
        context = {"conf": 1}
        print(clean(" a "), asyncio.run(fetch()), dag_run.conf.get("a"), context["conf"])
        for events in triggering_asset_events.values():
            print(events[0])
        return Order(len(Path("/data/{{ ds }}.csv".replace("{{ ds }}", ds)).name))

    BashOperator(task_id="asks", bash_command="echo {{ dag_run.conf['a'] if 'a' in dag_run.conf else ds }}")
    BashOperator(task_id="gets", bash_command="echo {{ dag_run.conf.get('a', ds) }}")
    TwoSteps(task_id="wait")
    clean(" a ") >> [gathered(), plain()]
    create = BashOperator(task_id="create", bash_command="cluster create")
    delete = BashOperator(task_id="delete", bash_command="cluster delete")
    create >> BashOperator(task_id="work", bash_command="cluster run") >> delete.as_teardown(setups=create)
    create >> BashOperator(task_id="report", bash_command="report")
    TriggerDagRunOperator(task_id="start", trigger_dag_id="good_second", trigger_run_id="once", reset_dag_run=True)
    ExternalTaskSensor(
        task_id="yesterday",
        external_dag_id="good_second",
        external_task_id="report",
        execution_delta=timedelta(days=1),
        mode="reschedule",
    )
