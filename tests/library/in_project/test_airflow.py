"""Which day a run is for, what it fetches again, how errors look, and what the DAG files get: with a real Airflow."""

import dataclasses
import errno
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import my_etl
import pendulum
import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.models.asset import AssetPartitionDagRun
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import TimeRestriction
from airflow.utils.db import initdb
from airflow.utils.session import create_session
from my_etl.daily import Column, Dataset, read, steps
from my_etl.daily import airflow as daily
from my_etl.daily.settings import NoSuchDay, Permanent, load
from my_etl.earthquakes.dataset import EARTHQUAKES
from sqlalchemy import delete, select

DAGS = Path(my_etl.__file__).parent.parent
DAY = "2018-02-01"
NOW = pendulum.datetime(2018, 3, 10, 15, 30)


@pytest.fixture(scope="module")
def dags():
    initdb()
    bag = DagBag(str(DAGS))
    assert bag.import_errors == {}
    return bag.dags


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("ETL_DATA_ROOT", f"file://{tmp_path}/data")
    return tmp_path / "data"


def context(run_type="manual", key=None, conf=None, logical_date=None, default=None):
    known = {"partition": default, "slices": 4}
    run = SimpleNamespace(
        run_type=run_type,
        partition_key=key,
        conf=conf,
        logical_date=logical_date and pendulum.parse(logical_date),
        run_after=NOW,
        start_date=NOW,
    )
    return {"dag_run": run, "dag": SimpleNamespace(params=known), "params": {**known, **(conf or {})}}


@pytest.mark.parametrize(
    ("given", "day"),
    [
        ({"run_type": "scheduled", "key": DAY, "logical_date": "2018-02-02"}, DAY),
        ({"run_type": "backfill", "key": DAY, "conf": {"slices": 1}, "default": "2018-02-03"}, DAY),
        ({"run_type": "asset_triggered", "key": DAY, "default": "2018-02-03"}, DAY),
        ({"key": DAY}, DAY),
        ({"key": DAY, "default": "2018-02-03"}, DAY),
        ({"key": DAY, "conf": {"partition": DAY}}, DAY),
        ({"conf": {"partition": DAY}}, DAY),
        ({"default": DAY}, DAY),
        ({"default": DAY, "logical_date": "2018-03-10T15:29:00Z"}, DAY),
        ({"conf": {"partition": DAY}, "logical_date": "2018-02-01T00:00:00Z"}, DAY),
        ({"logical_date": "2018-03-10T15:29:00Z"}, "2018-03-09"),
        ({}, "2018-03-09"),
    ],
)
def test_the_day_of_a_run(given, day):
    assert daily.day_of(context(**given)) == day


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"conf": {"partiton": DAY}}, "no param partiton, only partition, slices"),
        (
            {"key": DAY, "conf": {"partition": "2018-02-02"}},
            "partition key is 2018-02-01, the param partition 2018-02-02",
        ),
        ({"default": DAY, "logical_date": "2018-02-03T00:00:00Z"}, "the param partition says 2018-02-01"),
        ({"conf": {"partition": DAY}, "logical_date": "2018-02-02T00:00:00Z"}, "the param partition says"),
        ({"logical_date": "2018-02-03T00:00:00Z"}, "does not say for which day .* give the day as partition"),
        ({"conf": {"partition": "2018-02-30"}}, "'2018-02-30' is not a day"),
        ({"key": "yesterday"}, "'yesterday' is not a day"),
    ],
)
def test_what_could_mean_another_day_fails(given, words):
    with pytest.raises(Permanent, match=words):
        daily.day_of(context(**given))


def test_a_scheduled_run_fetches_earlier_days_again():
    scheduled = context("scheduled", DAY)
    assert daily.days_of(EARTHQUAKES, scheduled) == [DAY, "2018-01-25"]
    months = dataclasses.replace(EARTHQUAKES, refetch=(1, 30))
    assert daily.days_of(months, scheduled) == [DAY, "2018-01-31", "2018-01-02"]
    assert [part["day"] for part in steps.plan(months, daily.days_of(months, scheduled), 2)] == [
        day for day in daily.days_of(months, scheduled) for _ in range(2)
    ]
    for run_type in ("manual", "backfill", "asset_triggered"):
        assert daily.days_of(EARTHQUAKES, context(run_type, DAY)) == [DAY]


def test_no_day_is_fetched_again_unless_the_dataset_says_so(monkeypatch):
    plain = Dataset("plain", (Column("id", "text"),), None, kind="events")
    assert daily.days_of(plain, context("scheduled", DAY)) == [DAY]


@pytest.mark.parametrize("run_type", ["manual", "backfill"])
def test_a_run_of_an_old_day_of_a_snapshot_fails_with_the_reason(monkeypatch, root, run_type):
    prices = Dataset("prices", (Column("id", "text"),), lambda sink: sink.write(b"id\na\n"), kind="snapshot")
    run = context(run_type, DAY)
    run["params"].pop("slices")
    monkeypatch.setattr(daily, "get_current_context", lambda: run)
    with pytest.raises(AirflowFailException, match="prices of 2018-02-01 is refused"):
        daily.extract(prices)
    assert not root.exists()


def scheduled(dag):
    """The timetable as the scheduler has it."""
    return DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable


def test_an_earlier_day_that_is_not_there_is_left_out(monkeypatch, root):
    """The first week of a source: the day is published, the one a week before cannot be."""
    monkeypatch.setattr(daily, "get_current_context", lambda: scheduled_run)
    scheduled_run = context("scheduled", DAY)
    told = SimpleNamespace(extra=None, keys=[], add_partitions=lambda keys: told.keys.extend(keys))
    files = [daily.fetch(EARTHQUAKES, part) for part in daily.plan(EARTHQUAKES)]
    assert list(daily.publish(EARTHQUAKES, files, told)) == told.keys == [DAY]
    assert list(daily.extract(EARTHQUAKES)) == [DAY]
    assert list(daily.transform(EARTHQUAKES)) == [DAY]
    assert {path.parent.name for path in root.rglob("partition_date=*/*")} == {f"partition_date={DAY}"}
    scheduled_run = context("scheduled", "2018-02-08")
    with pytest.raises(AirflowSkipException, match="no 2018-02-08"):
        daily.extract(EARTHQUAKES)


def every_day_of(zone="UTC", days=()):
    return scheduled(DAG("d", schedule=daily.every_day(zone, days)))


def test_a_sample_is_not_scheduled(dags, monkeypatch):
    """Its days are in the past: every run by the clock would be one of skipped tasks."""
    restriction = TimeRestriction(earliest=pendulum.datetime(2018, 1, 1), latest=None, catchup=False)
    for timetable in (every_day_of(days=[DAY]), scheduled(dags["extract"])):
        assert timetable.next_dagrun_info_v2(last_dagrun_info=None, restriction=restriction) is None
        assert timetable.partitioned_at_runtime  # a day can be given by hand
    assert every_day_of().partitioned
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert every_day_of(days=[DAY]).partitioned


def test_a_backfill_includes_its_last_day():
    window = {"earliest": pendulum.datetime(2018, 2, 27), "latest": pendulum.datetime(2018, 3, 1)}
    infos = every_day_of().iter_partition_dagrun_infos(**window)
    assert [info.partition_key for info in infos] == ["2018-02-27", "2018-02-28", "2018-03-01"]


@pytest.mark.parametrize("change", ["2018-03-11", "2018-11-04"])
def test_days_across_a_change_of_daylight_saving(change):
    """A partition is a day in UTC: one key each, of 24 hours, whatever the clocks on the wall do."""
    timetable = every_day_of()
    middle = pendulum.parse(change)
    days = [middle.add(days=n).to_date_string() for n in (-1, 0, 1)]
    restriction = TimeRestriction(earliest=middle, latest=None, catchup=True)
    info, keys = None, []
    for _ in days:
        info = timetable.next_dagrun_info_v2(last_dagrun_info=info, restriction=restriction)
        keys.append(info.partition_key)
    assert keys == days
    parts = steps.plan(EARTHQUAKES, [change], 24)
    lengths = {datetime.fromisoformat(part["end"]) - datetime.fromisoformat(part["start"]) for part in parts}
    assert (len(parts), lengths) == (24, {timedelta(hours=1)})


@pytest.mark.parametrize(("change", "hours"), [("2018-03-25", 23), ("2018-10-28", 25), ("2018-02-01", 24)])
def test_days_of_a_zone(monkeypatch, change, hours):
    """The timetable's keys, one a day; the slices are all hours of that day on the clock, and no other ones."""
    zone = "Europe/Berlin"
    berlin = dataclasses.replace(EARTHQUAKES, zone=zone, refetch=())
    midnight = pendulum.parse(change, tz=zone)
    restriction = TimeRestriction(earliest=midnight, latest=None, catchup=True)
    served = every_day_of(zone)
    info = served.next_dagrun_info_v2(last_dagrun_info=None, restriction=restriction)
    info = served.next_dagrun_info_v2(last_dagrun_info=info, restriction=restriction)
    assert (info.partition_key, info.run_after) == (change, midnight.add(days=1))
    parts = steps.plan(berlin, [change], hours)
    edges = [datetime.fromisoformat(part[edge]) for part in parts for edge in ("start", "end")]
    assert {end - start for start, end in zip(edges[::2], edges[1::2], strict=True)} == {timedelta(hours=1)}
    assert (edges[0], edges[-1]) == (midnight, midnight.add(days=1))
    assert edges[0].date().isoformat() == change
    by_hand = context(logical_date=None)
    by_hand["dag_run"].run_after = pendulum.datetime(2018, 3, 10, 23, 30)
    assert (daily.day_of(by_hand, zone), daily.day_of(by_hand)) == ("2018-03-10", "2018-03-09")


def test_a_schedule_that_runs_before_the_day_is_over_is_refused(monkeypatch):
    run = context("scheduled", DAY)
    monkeypatch.setattr(daily, "get_current_context", lambda: run)
    monkeypatch.setattr(steps, "now", lambda: datetime(2018, 2, 2, 0, 0, 5, tzinfo=UTC))
    assert len(daily.plan(EARTHQUAKES)) == 8
    with pytest.raises(
        AirflowFailException, match=r"not over in America/Los_Angeles: .*every_day\('America/Los_Angeles'"
    ):
        daily.plan(dataclasses.replace(EARTHQUAKES, zone="America/Los_Angeles"))


@pytest.mark.parametrize(
    ("run_type", "in_cluster", "raised"),
    [
        ("scheduled", False, AirflowSkipException),
        ("backfill", False, AirflowSkipException),
        ("manual", False, AirflowFailException),
        ("scheduled", True, AirflowFailException),
        ("backfill", True, AirflowFailException),
    ],
)
def test_a_day_that_the_sample_lacks_fails_every_night_in_a_cluster(monkeypatch, run_type, in_cluster, raised):
    monkeypatch.setattr(daily, "get_current_context", lambda: context(run_type, "2018-03-01"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    if in_cluster:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with pytest.raises(raised, match="ETL_SOURCE=usgs"), daily.errors():
        raise NoSuchDay("set ETL_SOURCE=usgs")


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR])
def test_a_target_that_refuses_is_named_and_not_tried_again(root, number):
    with (
        pytest.raises(AirflowFailException, match=f"file://{root} refuses access: .*Who may write there"),
        daily.errors(),
    ):
        raise OSError(number, "no")
    with pytest.raises(OSError, match="No space"), daily.errors():
        raise OSError(errno.ENOSPC, "No space left")


def run(dag, **conf):
    for task in dag.tasks:
        (task.partial_kwargs if task.is_mapped else vars(task))["retries"] = 0
    return dag.test(logical_date=None, run_conf=conf)


def test_a_day_in_airflow(dags):
    """The first click in the UI sends the params' defaults; what tasks return is JSON; a rerun changes nothing."""
    for name, task_id in (("extract", "publish"), ("transform", "clean")):
        done = run(dags[name], **{key: dags[name].params[key] for key in dags[name].params})
        assert done.state == "success"
        facts = done.get_task_instance(task_id).xcom_pull(task_ids=task_id)
        assert json.loads(json.dumps(facts)) == facts
        assert list(facts) == [DAY]


def test_transform_follows_for_every_day_that_extract_publishes(dags, monkeypatch):
    """What the scheduler makes runs of transform from: a row for each partition of the asset's event."""
    published = [DAY, "2018-02-02"]
    monkeypatch.setattr(daily, "days_of", lambda dataset, context=None: published)
    with create_session() as session:
        session.execute(delete(AssetPartitionDagRun))
    assert run(dags["extract"]).state == "success"
    with create_session() as session:
        waiting = session.scalars(select(AssetPartitionDagRun)).all()
        assert sorted((row.target_dag_id, row.partition_key) for row in waiting) == [
            ("transform", day) for day in published
        ]


def test_a_person_accepts_a_day_with_few_rows(dags, monkeypatch):
    """As the form and REST send it: the run without the param fails and keeps the day, the one with it replaces it."""
    assert dags["transform"].params.get_param("accept").schema["type"] == "boolean"
    assert "accept" not in dags["extract"].params
    days = {"partition": DAY}
    assert run(dags["extract"], **days, slices=1).state == "success"
    assert run(dags["transform"], **days, accept=False).state == "success"
    rows = len(read("earthquakes", DAY))
    (raw,) = (path for path in Path(load().data_root.removeprefix("file://")).rglob("raw/*/*/*.csv"))
    raw.write_bytes(raw.read_bytes().splitlines(keepends=True)[0])
    raw.with_name("manifest.json").write_text(json.dumps({"files": {raw.name: raw.stat().st_size}}))
    assert run(dags["transform"], **days).state == "failed"
    assert len(read("earthquakes", DAY)) == rows > 0
    assert run(dags["transform"], **days, accept=True).state == "success"
    assert len(read("earthquakes", DAY)) == 0


def test_what_a_person_accepts_is_what_was_fetched(monkeypatch, root):
    """A price list that has become short: its source cannot be asked for that day again."""
    rows = "id\n1\n2\n3\n"
    prices = Dataset("prices", (Column("id", "text"),), lambda: [rows.encode()], kind="snapshot")
    params = {"partition": None, "accept": False}
    run = {**context(key=DAY), "dag": SimpleNamespace(params=params), "params": params}
    monkeypatch.setattr(daily, "get_current_context", lambda: run)
    monkeypatch.setattr(steps, "now", lambda: datetime(2018, 2, 1, 23, tzinfo=UTC))
    daily.extract(prices)
    assert daily.transform(prices)[DAY]["clean"] == 3
    rows = "id\n1\n"
    monkeypatch.setattr(steps, "now", lambda: datetime(2018, 2, 2, tzinfo=UTC))
    daily.extract(prices)
    with pytest.raises(AirflowFailException, match=r"1 rows, less than 2 .*param accept"):
        daily.transform(prices)
    with pytest.raises(AirflowFailException, match="prices of 2018-02-01 is refused"):
        daily.extract(prices)
    run["params"] = {**params, "accept": True}
    assert daily.extract(prices) == {}
    assert daily.transform(prices)[DAY]["clean"] == 1


@pytest.mark.parametrize(("conf", "failed"), [({"partition": "2018-03-01"}, "fetch"), ({"partiton": DAY}, "plan")])
def test_what_fails(dags, conf, failed):
    done = run(dags["extract"], **conf)
    assert done.state == "failed"
    assert {task.state for task in done.get_task_instances() if task.task_id == failed} == {"failed"}


def test_notifications_are_on_by_one_setting(monkeypatch):
    monkeypatch.setenv("ETL_NOTIFY", "someone@example.com")
    bag = DagBag(str(DAGS))
    assert bag.import_errors == {}
    for name, task_id in (("extract", "publish"), ("transform", "clean")):
        (mail,) = bag.dags[name].task_dict[task_id].on_failure_callback
        assert mail.to == "someone@example.com"
        assert bag.dags[name].deadline
        assert DagSerialization.to_dict(bag.dags[name])
