"""Tasks that map, wait, tell of assets, ask for conf and for params, all in ways that work."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Asset, AssetAlias, BaseOperator, get_current_context, task
from airflow.providers.standard.operators.python import PythonOperator
from airflow.providers.standard.sensors.date_time import DateTimeSensorAsync
from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger

ORDERS, FOUND = Asset("good_runs_orders"), AssetAlias("good_runs_found")


class WaitOperator(BaseOperator):
    def execute(self, context):
        method = "again" if context["ti"].try_number else "done"
        self.defer(trigger=TimeDeltaTrigger(timedelta(minutes=5)), method_name=method)

    def again(self, context, event=None):
        self.defer(trigger=TimeDeltaTrigger(timedelta(minutes=5)), method_name="done")

    def done(self, context, event=None):
        return event


class LaterSensor(DateTimeSensorAsync):
    def once_more(self, context):
        self.defer(trigger=TimeDeltaTrigger(timedelta(minutes=5)), method_name="execute_complete")


@task
def tell(text, **context):
    print(text, context["run_id"])


def connect():
    global LOADED
    LOADED = True


def show(shop, **kwargs):
    connect()
    print(shop, kwargs["conf"], LOADED, __name__, [one for one in kwargs])

    class Row:
        size = 1
        double = size * 2


with DAG(
    dag_id="good_runs",
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
    @task(outlets=[ORDERS, FOUND])
    def load(dag_run=None, *, outlet_events):
        outlet_events[ORDERS].extra = {"rows": 1}
        outlet_events[FOUND].add(Asset("good_runs_other"))
        tell.function("loaded", **get_current_context())
        if "shop" in dag_run.conf:
            print(dag_run.conf["shop"])
        return dag_run.conf.get("day")

    @task
    def rows(params):
        for params in ({"shop": "north"}, {"shop": "south"}):
            print(params["shop"])
        return [{"text": "all"}]

    loaded = load()
    loaded >> tell("done")
    tell.override(task_id="tell_each").expand_kwargs([{"text": "one"}, {"text": "two"}])
    tell.override(task_id="tell_rows").expand_kwargs(rows())
    PythonOperator.partial(task_id="show", python_callable=show).expand(op_kwargs=[{"shop": "a", "conf": 1}])
    WaitOperator(task_id="wait") >> LaterSensor(task_id="later", target_time="{{ data_interval_end }}", timeout=600)
    say = PythonOperator(task_id="say", python_callable=show, op_kwargs={"shop": "b", "conf": 2})

of_team = {"owner": "data-team", "retries": 2, "op_kwargs": {"shop": "c", "conf": 3}}
added = PythonOperator(task_id="added", python_callable=show, **of_team)
say >> added

if __name__ == "__main__":
    say.dag.test()
