"""docs/recipes.md: each recipe on the real thing, with rows of the datasets of docs/sources.md."""

import importlib
import json
import os
from datetime import UTC, date, datetime

import pandas as pd
import pytest
from my_etl.datasets import frame, read, steps
from my_etl.datasets.settings import Permanent
from sqlalchemy import create_engine, text

DAYS = ["2018-02-01", "2018-02-02", "2018-02-03"]


@pytest.fixture
def publish(data):
    """Return a function: a dataset, a day, rows → they are its clean day."""

    def write(dataset, day, rows):
        table = frame(dataset, rows)
        if dataset.clean:
            table = dataset.clean(table)
        folder = data / "clean" / dataset.name / f"partition_date={day}"
        folder.mkdir(parents=True, exist_ok=True)
        table.to_parquet(folder / f"{dataset.name}.parquet", index=False)

    return write


@pytest.fixture
def shop(publish):
    """Three days of orders, an order of `a` and one of `b` on each; the price lists of the first and the last."""
    from my_etl.orders import ORDERS
    from my_etl.prices import PRICES

    for number, day in enumerate(DAYS):
        times = {"created": f"{day}T10:00:00Z", "updated": f"{day}T11:00:00Z"}
        rows = [{"id": f"{article}{number}", "article": article, "price": 2, "pieces": 1 + number} for article in "ab"]
        publish(ORDERS, day, [row | times for row in rows])
    publish(PRICES, DAYS[0], [{"article": "a", "price": 3}, {"article": "b", "price": 4}])
    publish(PRICES, DAYS[2], [{"article": "a", "price": 5}])


@pytest.fixture(scope="module")
def airflow():
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture
def run_dag(airflow):
    """Return a function: the module of a DAG file, a day → what its only task returned."""

    def test_run(name, day):
        module = importlib.import_module(name)
        dag = next(iter(value for value in vars(module).values() if type(value).__name__ == "DAG"), None)
        dag = dag or vars(module)[name]()
        for task in dag.tasks:
            task.retries = 0
        done = dag.test(logical_date=None, run_conf={"partition": day})
        assert done.state == "success"
        (task,) = done.get_task_instances()
        return task.xcom_pull(task_ids=task.task_id)

    return test_run


def test_two_datasets_joined(shop, publish):
    from my_etl import margins
    from my_etl.prices import PRICES

    assert margins.build(DAYS[0]) == {"rows": 2, "without_a_price": 0}
    found = read("margins", DAYS[0])
    assert found.set_index("id")[["price_listed", "discount"]].T.to_dict("list") == {"a0": [3, 1], "b0": [4, 2]}
    assert margins.build(DAYS[2]) == {"rows": 2, "without_a_price": 1}
    publish(PRICES, DAYS[2], [{"article": "a", "price": 5}, {"article": "a", "price": 6}])
    with pytest.raises(pd.errors.MergeError):
        margins.build(DAYS[2])


def test_the_prices_of_a_day_in_the_past(shop):
    from my_etl import price_history

    assert price_history.as_of(date(2018, 2, 2)).set_index("article")["price"].to_dict() == {"a": 3, "b": 4}
    assert price_history.as_of(date(2018, 2, 3)).set_index("article")["price"].to_dict() == {"a": 5}
    assert price_history.as_of(date(2018, 1, 31)).empty
    then = price_history.orders_with_the_price_then().set_index("id")["listed"]
    assert then.to_dict() == {"a0": 3, "b0": 4, "a1": 3, "b1": 4, "a2": 5, "b2": 4}


def test_changes_merged_to_the_newest_state(run, serve, monkeypatch):
    from my_etl import customer_history
    from my_etl.customers import CUSTOMERS

    changes = [
        (1, "Köln", "2018-02-01T08:00:00Z"),
        (2, "Bonn", "2018-02-01T09:00:00Z"),
        (1, "Köln", "2018-02-02T08:00:00Z"),  # something else has changed
        (1, "Ulm", "2018-02-03T08:00:00Z"),
    ]

    def api(query, headers):
        asked = query["updated_from"][:10] if query["page"] == "1" else "no more"
        names = ("id", "city", "updated")
        return 200, [dict(zip(names, row, strict=True)) for row in changes if row[2][:10] == asked]

    monkeypatch.setenv("CUSTOMERS_URL", serve(api))
    for day, rows in zip(DAYS, (2, 1, 1), strict=True):
        monkeypatch.setattr(steps, "now", lambda day=day: datetime.fromisoformat(f"{day}T23:59:59+00:00"))
        assert run(CUSTOMERS, day)["clean"] == rows
    found = customer_history.history()
    assert found[["id", "city"]].to_numpy().tolist() == [[1, "Köln"], [1, "Ulm"], [2, "Bonn"]]
    utc = [
        [None if pd.isna(moment) else moment.astimezone(UTC).isoformat()[:13] for moment in found[name]]
        for name in ("valid_from", "valid_to")
    ]
    assert utc == [["2018-02-01T08", "2018-02-03T08", "2018-02-01T09"], ["2018-02-03T08", None, None]]
    assert customer_history.newest()[["id", "city"]].to_numpy().tolist() == [[1, "Ulm"], [2, "Bonn"]]


@pytest.fixture
def warehouse(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", os.environ["TEST_POSTGRES"].replace("postgresql:", "postgres:"))
    engine = create_engine(os.environ["TEST_POSTGRES"].replace("postgresql:", "postgresql+psycopg2:"))

    def query(statement):
        with engine.begin() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]

    return query


def test_a_table_in_postgresql(shop, run_dag, warehouse, publish):
    from my_etl import orders_table
    from my_etl.orders import ORDERS

    assert run_dag("orders_table", DAYS[0]) == {"rows": 2}
    assert orders_table.load_day(DAYS[1]) == orders_table.load_day(DAYS[1]) == {"rows": 2}
    totals = "select id, total, created at time zone 'UTC' from orders order by created, id"
    times = [datetime(2018, 2, day, 10) for day in (1, 1, 2, 2)]  # noqa: DTZ001
    assert warehouse(totals) == list(zip(["a0", "b0", "a1", "b1"], [2, 2, 4, 4], times, strict=True))
    publish(ORDERS, DAYS[1], [])
    orders_table.load_day(DAYS[1])
    assert [row[0] for row in warehouse(totals)] == ["a0", "b0"]


def test_a_table_in_duckdb(shop, tmp_path):
    import duckdb
    from my_etl.orders_duckdb import load_day

    file = tmp_path / "shop.duckdb"
    for day in (DAYS[0], DAYS[1], DAYS[1]):
        load_day(day, file)
    with duckdb.connect(file) as database:
        found = database.execute("select id, total from orders order by id").fetchall()
    assert found == [("a0", 2), ("a1", 4), ("b0", 2), ("b1", 4)]


def test_dlt_in_a_task(shop, warehouse, publish, monkeypatch):
    from my_etl.orders import ORDERS
    from my_etl.orders_dlt import load_day

    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    assert [load_day(day) for day in (DAYS[0], DAYS[0], DAYS[1])] == [2, 2, 2]
    revised = {"created": "2018-02-01T10:00:00Z", "updated": "2018-02-03T11:00:00Z", "article": "a"}
    publish(ORDERS, DAYS[2], [revised | {"id": "a0", "price": 1, "pieces": 9}])
    load_day(DAYS[2])
    totals = warehouse("select id, total from shop.orders order by id")
    assert totals == [("a0", 9), ("a1", 4), ("b0", 2), ("b1", 4)]


def test_pandera_on_top(run, data, tmp_path, monkeypatch):
    from my_etl.readings import READINGS

    rows = ["sensor,low,high", "roof-001,1.5,9", "cellar-002,,3", "roof-003,5,4", "Roof,1,2"]
    (tmp_path / f"{DAYS[0]}.csv").write_text("\n".join(rows))
    (tmp_path / f"{DAYS[1]}.csv").write_text("\n".join(rows[:2]))
    monkeypatch.setenv("READINGS", str(tmp_path))
    monkeypatch.setenv("ETL_MAX_REJECTED_SHARE", "0.5")
    assert run(READINGS, DAYS[0]) == {"read": 4, "clean": 2, "duplicates": 0, "set_apart": 0, "rejected": 2}
    file = data / "rejected" / "readings" / f"partition_date={DAYS[0]}" / "readings.jsonl"
    found = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(row["reason"], row["row"]) for row in found] == [("breaks the schema", row) for row in rows[3:]]
    with pytest.raises(Exception, match="sensor"):
        run(READINGS, DAYS[1])


def test_a_day_larger_than_memory(data, tmp_path):
    from my_etl.clicks import build

    lines = ["id,time,page,milliseconds", "1,2018-02-01T08:00:00Z,/,5", "1,2018-02-01T09:00:00Z,/new,6"]
    lines += ["2,2018-02-01T08:00:00Z,/,-1", "3,yesterday,/,1", "4,2018-02-01T08:00:00Z,,"]
    (tmp_path / "clicks.csv").write_text("\n".join(lines))
    assert build(DAYS[0], tmp_path / "clicks.csv") == {"clean": 1, "rejected": 1}
    assert read("clicks", DAYS[0]).drop(columns="time").to_dict("records") == [
        {"id": 1, "page": "/new", "milliseconds": 6}
    ]
    assert not list(data.rglob("*.part"))
    with pytest.raises(Exception, match="No files found"):
        build(DAYS[1], tmp_path / "missing.csv")
    with pytest.raises(Permanent):
        read("clicks", DAYS[1])
