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
from airflow.sdk import DAG, Asset
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import TimeRestriction
from airflow.utils.db import initdb
from airflow.utils.session import create_session
from my_etl.datasets import Column, Dataset, Period, read, steps, tasks
from my_etl.datasets.settings import NoSuchDay, Permanent, load
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
    assert tasks.day_of(context(**given)) == day


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
        tasks.day_of(context(**given))


def test_a_scheduled_run_fetches_earlier_days_again():
    scheduled = context("scheduled", DAY)
    assert tasks.days_of(EARTHQUAKES, scheduled) == [DAY, "2018-01-25"]
    months = dataclasses.replace(EARTHQUAKES, refetch=(1, 30))
    assert tasks.days_of(months, scheduled) == [DAY, "2018-01-31", "2018-01-02"]
    assert [part["day"] for part in steps.plan(months, tasks.days_of(months, scheduled), 2)] == [
        day for day in tasks.days_of(months, scheduled) for _ in range(2)
    ]
    for run_type in ("manual", "backfill", "asset_triggered"):
        assert tasks.days_of(EARTHQUAKES, context(run_type, DAY)) == [DAY]


def test_no_day_is_fetched_again_unless_the_dataset_says_so(monkeypatch):
    plain = Dataset("plain", (Column("id", "text"),), None, kind="events")
    assert tasks.days_of(plain, context("scheduled", DAY)) == [DAY]


@pytest.mark.parametrize("run_type", ["manual", "backfill"])
def test_a_run_of_an_old_day_of_a_snapshot_fails_with_the_reason(monkeypatch, root, run_type):
    prices = Dataset("prices", (Column("id", "text"),), lambda sink: sink.write(b"id\na\n"), kind="snapshot")
    run = context(run_type, DAY)
    run["params"].pop("slices")
    monkeypatch.setattr(tasks, "get_current_context", lambda: run)
    with pytest.raises(AirflowFailException, match="prices of 2018-02-01 is refused"):
        tasks.extract(prices)
    assert not root.exists()


def scheduled(dag):
    """The timetable as the scheduler has it."""
    return DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable


def test_an_earlier_day_that_is_not_there_is_left_out(monkeypatch, root):
    """The first week of a source: the day is published, the one a week before cannot be."""
    monkeypatch.setattr(tasks, "get_current_context", lambda: scheduled_run)
    scheduled_run = context("scheduled", DAY)
    told = SimpleNamespace(extra=None, keys=[], add_partitions=lambda keys: told.keys.extend(keys))
    files = [tasks.fetch(EARTHQUAKES, part) for part in tasks.plan(EARTHQUAKES)]
    assert list(tasks.publish(EARTHQUAKES, files, told)) == told.keys == [DAY]
    assert list(tasks.extract(EARTHQUAKES)) == [DAY]
    assert list(tasks.transform(EARTHQUAKES)) == [DAY]
    assert {path.parent.name for path in root.rglob("partition_date=*/*")} == {f"partition_date={DAY}"}
    scheduled_run = context("scheduled", "2018-02-08")
    with pytest.raises(AirflowSkipException, match="no 2018-02-08"):
        tasks.extract(EARTHQUAKES)


def every_day_of(zone="UTC", days=()):
    return scheduled(DAG("d", schedule=tasks.every("day", zone, days)))


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
    assert (tasks.day_of(by_hand, berlin.periods), tasks.day_of(by_hand)) == ("2018-03-10", "2018-03-09")


@pytest.mark.parametrize(
    ("period", "zone", "begin", "keys"),
    [
        ("hour", "UTC", "2018-03-24T23:00", ["2018-03-24T23", "2018-03-25T00", "2018-03-25T01", "2018-03-25T02"]),
        # Hours are those of UTC: the clock's third hour, which spring skips, takes none away.
        ("hour", "Europe/Berlin", "2018-03-25T00:00", ["2018-03-25T00", "2018-03-25T01", "2018-03-25T02"]),
        ("hour", "Europe/Berlin", "2018-10-27T23:00", ["2018-10-27T23", "2018-10-28T00", "2018-10-28T01"]),
        ("day", "Europe/Berlin", "2018-03-23T23:00", ["2018-03-24", "2018-03-25", "2018-03-26"]),
        ("week", "Europe/Berlin", "2018-03-11T23:00", ["2018-03-12", "2018-03-19", "2018-03-26"]),
        ("month", "UTC", "2018-01-01T00:00", ["2018-01", "2018-02", "2018-03"]),
        ("month", "Europe/Berlin", "2017-12-31T23:00", ["2018-01", "2018-02", "2018-03", "2018-04"]),
    ],
)
def test_the_keys_of_a_schedule_and_of_a_backfill(period, zone, begin, keys):
    """As the scheduler has it: one run a period, when it has ended, with a key that says when it begins."""
    timetable = scheduled(DAG("d", schedule=tasks.every(period, zone)))
    ours, begin = Period(period, zone), pendulum.parse(begin)
    restriction = TimeRestriction(earliest=begin.add(seconds=1), latest=None, catchup=True)
    info, found = None, []
    for _ in keys:
        info = timetable.next_dagrun_info_v2(last_dagrun_info=info, restriction=restriction)
        assert info.run_after == ours.bounds(info.partition_key)[1]
        assert tasks.day_of(context("scheduled", info.partition_key), ours) == info.partition_key
        found.append(info.partition_key)
    assert found == keys
    window = {"earliest": ours.bounds(keys[0])[0], "latest": ours.bounds(keys[-1])[0]}
    if zone == "UTC" or period == "hour":  # it reads the bounds by the clock of the zone
        infos = timetable.iter_partition_dagrun_infos(**{name: pendulum.instance(at) for name, at in window.items()})
        assert [info.partition_key for info in infos] == keys


@pytest.mark.parametrize(
    ("period", "key", "refetch", "before"),
    [
        ("hour", "2018-02-01T00", (1, 24), ["2018-01-31T23", "2018-01-31T00"]),
        ("week", "2018-02-05", (1,), ["2018-01-29"]),
        ("month", "2018-02", (1, 12), ["2018-01", "2017-02"]),
    ],
)
def test_a_run_without_a_key_is_for_the_period_before_it(period, key, refetch, before):
    dataset = Dataset("d", (Column("id", "text"),), None, kind="events", period=period, refetch=refetch)
    by_hand = context()
    by_hand["dag_run"].run_after = pendulum.instance(dataset.periods.bounds(key)[1]).add(minutes=5)
    assert tasks.day_of(by_hand, dataset.periods) == key
    assert tasks.days_of(dataset, context("scheduled", key)) == [key, *before]
    with pytest.raises(Permanent, match=f"'2018-02-31' is not an? {period}"):
        tasks.day_of(context(conf={"partition": "2018-02-31"}), dataset.periods)


def test_a_moment_that_was_chosen_is_no_click():
    """By the hour, the form's own moment is minutes old at most."""
    for hours, words in ((5, "does not say for which hour"), (0, None)):
        chosen = context(logical_date=NOW.subtract(hours=hours, minutes=5).isoformat())
        if words:
            with pytest.raises(Permanent, match=words):
                tasks.day_of(chosen, Period("hour"))
        else:
            assert tasks.day_of(chosen, Period("hour")) == "2018-03-10T14"


@pytest.mark.parametrize(
    ("period", "keys", "key"),
    [
        ("day", [f"2018-02-01T{hour:02}" for hour in range(24)], "2018-02-01"),
        ("week", [f"2018-02-{day:02}" for day in range(5, 12)], "2018-02-05"),
        ("month", [f"2018-02-{day:02}" for day in range(1, 29)], "2018-02"),
    ],
)
def test_a_period_is_whole_of_its_parts(period, keys, key):
    """As the scheduler has it: which keys it waits for."""
    mapper = scheduled(DAG("d", schedule=tasks.whole(period, Asset("a")))).default_partition_mapper
    assert {mapper.to_downstream(each) for each in keys} == {key}
    assert mapper.to_upstream(key) == {*keys}


def test_the_form_says_what_a_period_is():
    for period, words in (("day", "like 2018-02-01"), ("month", "like 2018-02;")):
        param = tasks.params(period=period)["partition"]
        assert words in param.description
        assert param.schema["period"] == period
    assert tasks.params(days=["2018-02"], period="month")["partition"].resolve() == "2018-02"


def test_a_schedule_that_runs_before_the_day_is_over_is_refused(monkeypatch):
    run = context("scheduled", DAY)
    monkeypatch.setattr(tasks, "get_current_context", lambda: run)
    monkeypatch.setattr(steps, "now", lambda: datetime(2018, 2, 2, 0, 0, 5, tzinfo=UTC))
    assert len(tasks.plan(EARTHQUAKES)) == 8
    with pytest.raises(
        AirflowFailException, match=r"not over in America/Los_Angeles: .*tasks.every\('day', 'America/Los_Angeles'"
    ):
        tasks.plan(dataclasses.replace(EARTHQUAKES, zone="America/Los_Angeles"))


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
    monkeypatch.setattr(tasks, "get_current_context", lambda: context(run_type, "2018-03-01"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    if in_cluster:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with pytest.raises(raised, match="ETL_SOURCE=usgs"), tasks.errors():
        raise NoSuchDay("set ETL_SOURCE=usgs")


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR])
def test_a_target_that_refuses_is_named_and_not_tried_again(root, number):
    with (
        pytest.raises(AirflowFailException, match=f"file://{root} refuses access: .*Who may write there"),
        tasks.errors(),
    ):
        raise OSError(number, "no")
    with pytest.raises(OSError, match="No space"), tasks.errors():
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
    monkeypatch.setattr(tasks, "days_of", lambda dataset, context=None: published)
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
    monkeypatch.setattr(tasks, "get_current_context", lambda: run)
    monkeypatch.setattr(steps, "now", lambda: datetime(2018, 2, 1, 23, tzinfo=UTC))
    tasks.extract(prices)
    assert tasks.transform(prices)[DAY]["clean"] == 3
    rows = "id\n1\n"
    monkeypatch.setattr(steps, "now", lambda: datetime(2018, 2, 2, tzinfo=UTC))
    tasks.extract(prices)
    with pytest.raises(AirflowFailException, match=r"1 rows, less than 2 .*param accept"):
        tasks.transform(prices)
    with pytest.raises(AirflowFailException, match="prices of 2018-02-01 is refused"):
        tasks.extract(prices)
    run["params"] = {**params, "accept": True}
    assert tasks.extract(prices) == {}
    assert tasks.transform(prices)[DAY]["clean"] == 1


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
