"""Both DAGs, end to end, in a real Airflow: dag.test() runs every task against a migrated database."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pendulum
import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import TimeRestriction

from << cookiecutter.__package >> import datasets, sample
from << cookiecutter.__package >>.days import slices
from << cookiecutter.__package >>.settings import load

DAGS = Path(__file__).resolve().parent.parent / "<< cookiecutter.dags_subpath >>"
DAY = "2018-02-01"
# What the bundled file of the day holds, counted with grep.
EVENTS, EARTHQUAKES = 231, 224


def data_files():
    root = Path(load().data_root.removeprefix("file://"))
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def run(dag, conf):
    """Run the DAG once, without retries; its dag run."""
    for task in dag.tasks:
        (task.partial_kwargs if task.is_mapped else vars(task))["retries"] = 0
    return dag.test(logical_date=None, run_conf=conf)


def states(run):
    return {instance.task_id: instance.state for instance in run.get_task_instances()}


@pytest.fixture(scope="module")
def a_day(dags):
    """One sample day through both DAGs: the final state of each, and what its task publish returned."""
    done = {}
    for name in ("extract", "transform"):
        dag_run = run(dags[name], {"partition": DAY})
        done[name] = dag_run.state, dag_run.get_task_instance("publish").xcom_pull(task_ids="publish")
    return done


def test_every_dag_file_imports():
    bag = DagBag(str(DAGS))
    assert bag.import_errors == {}
    assert {"extract", "transform"} <= set(bag.dags)


def test_both_dags_succeed(a_day):
    assert {name: state for name, (state, _) in a_day.items()} == {
        "extract": "success",
        "transform": "success",
    }


def test_the_clean_partition_holds_the_day(a_day):
    events = datasets.events(load(), DAY)
    assert len(events) == EARTHQUAKES
    assert events["id"].is_unique
    assert set(events["type"]) == {"earthquake"}
    assert events["time"].is_monotonic_increasing
    assert events["time"].min().date().isoformat() == events["time"].max().date().isoformat() == DAY


def test_no_row_is_lost(a_day):
    counts = datasets.clean(load(), DAY).manifest()["counts"]
    assert counts == {
        "read": EVENTS,
        "clean": EARTHQUAKES,
        "duplicates": 0,
        "set_apart": EVENTS - EARTHQUAKES,
        "rejected": 0,
    }
    assert len(datasets.events(load(), DAY, "set_apart")) == EVENTS - EARTHQUAKES


def test_the_raw_partition_is_what_the_source_sent(a_day):
    partition = datasets.raw(load(), DAY)
    lines = []
    for entry in partition.manifest()["files"]:
        header, *rest = partition.store.read(partition.path(entry)).splitlines()
        lines += rest
    assert [header, *lines] == (sample.FOLDER / f"{DAY}.csv").read_bytes().splitlines()


def test_nothing_is_left_in_staging(a_day):
    assert not [name for name in data_files() if name.startswith("staging")]


def test_a_rerun_gives_the_same_bytes(a_day, dags):
    before = data_files()
    for name in ("extract", "transform"):
        assert run(dags[name], {"partition": DAY}).state == "success"
    assert data_files() == before


def test_the_number_of_slices_does_not_matter(a_day, dags):
    before = datasets.events(load(), DAY)
    run(dags["extract"], {"partition": DAY, "slices": 2})
    run(dags["transform"], {"partition": DAY})
    parts = [entry for entry in datasets.clean(load(), DAY).manifest()["files"] if entry["folder"] == "clean"]
    assert len(parts) == 2
    assert datasets.events(load(), DAY).equals(before)


def test_a_day_asked_for_by_hand_that_the_sample_lacks_fails(dags):
    failed = run(dags["extract"], {"partition": "2018-03-01"})
    assert failed.state == "failed"
    assert states(failed)["plan"] == "failed"


def test_the_first_click_in_the_ui_works(dags):
    """The trigger form sends the params' defaults."""
    for name in ("extract", "transform"):
        dag = dags[name]
        assert run(dag, dict(dag.params)).state == "success"


@pytest.mark.parametrize("change", ["2018-03-11", "2018-11-04"])
def test_days_across_a_change_of_daylight_saving(dags, change):
    """A partition is a day in UTC: one key each, of 24 hours, whatever the clocks on the wall do."""
    timetable = DagSerialization.from_dict(DagSerialization.to_dict(dags["extract"])).timetable
    middle = pendulum.parse(change)
    days = [middle.add(days=n).to_date_string() for n in (-1, 0, 1)]
    restriction = TimeRestriction(earliest=middle, latest=None, catchup=True)
    info, keys = None, []
    for _ in days:
        info = timetable.next_dagrun_info_v2(last_dagrun_info=info, restriction=restriction)
        keys.append(info.partition_key)
    assert keys == days
    parts = slices(change, 24)
    lengths = {datetime.fromisoformat(part["end"]) - datetime.fromisoformat(part["start"]) for part in parts}
    assert (len(parts), lengths) == (24, {timedelta(hours=1)})


def test_notifications_are_on_by_one_setting(monkeypatch):
    monkeypatch.setenv("ETL_NOTIFY", "someone@example.com")
    bag = DagBag(str(DAGS))
    assert bag.import_errors == {}
    for name in ("extract", "transform"):
        (mail,) = bag.dags[name].task_dict["publish"].on_failure_callback
        assert mail.to == "someone@example.com"
        assert bag.dags[name].deadline
        assert DagSerialization.to_dict(bag.dags[name])


def test_what_publish_returns_is_json(a_day):
    for _, facts in a_day.values():
        assert json.loads(json.dumps(facts)) == facts
        assert facts["files"] > 0
