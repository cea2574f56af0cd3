"""docs/sources.md: each source on the real thing."""

import gzip
import json
import os
from datetime import UTC, datetime

import pytest
from my_etl.datasets import read, steps
from sqlalchemy import create_engine, text

DAY = "2018-02-01"


def rejected(data, name, day=DAY):
    file = data / "rejected" / name / f"partition_date={day}" / f"{name}.jsonl"
    return [(row["line"], row["reason"]) for row in map(json.loads, file.read_text().splitlines())]


def test_an_api_with_token_and_cursor(run, data, serve, monkeypatch):
    from my_etl.orders import ORDERS

    orders = [
        {"id": f"o{n}", "created": f"{DAY}T{n:02d}:00:00Z", "updated": f"{DAY}T{n:02d}:30:00Z", "article": "a",
         "price": 2.5, "pieces": n, "address": {"city": "Köln", "zip": 50667}}
        for n in range(24)
    ]  # fmt: skip
    orders.append(orders[5] | {"updated": f"{DAY}T23:00:00Z", "pieces": 7})
    refused = [503]

    def api(query, headers):
        if headers["Authorization"] != "Bearer secret":
            return 401, {"error": "who are you?"}
        if refused:
            return refused.pop(), {}
        at = int(query.get("cursor", 0))
        found = [one for one in orders if query["from"] <= one["created"] < query["to"]]
        more = at + 10 if at + 10 < len(found) else None
        return 200, {"data": {"orders": found[at : at + 10]}, "meta": {"cursor": more}}

    shop = {"conn_type": "http", "host": serve(api), "password": "secret"}
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps(shop))
    assert run(ORDERS, DAY) == {"read": 25, "clean": 23, "duplicates": 1, "set_apart": 0, "rejected": 1}
    assert rejected(data, "orders") == [(1, "pieces '0' is outside 1 to 1,000")]
    found = read("orders", DAY).set_index("id")
    assert found.loc["o5", ["pieces", "total"]].to_list() == [7, 17.5]
    assert found["address"].unique().tolist() == [json.dumps(orders[0]["address"])]


def test_a_european_csv(run, data, tmp_path, monkeypatch):
    from my_etl.sales import SALES

    lines = [
        "Beleg;Zeit;Artikel;Betrag;Bar",
        'B1;2018-03-25 00:00:00;Käse "fein";1.234,50;ja',
        "B2;2018-03-25 01:59:59;Öl;k.A.;nein",
        "B3;2018-03-25 02:30:00;Brot;3,20;ja",  # an hour that the clocks skip
        "B4;2018-03-25 23:59:59;;-0,99;",
    ]
    file = tmp_path / "umsatz_20180325.csv.gz"
    file.write_bytes(gzip.compress("\r\n".join(lines).encode("cp1252")))
    monkeypatch.setenv("SALES_INBOX", f"file://{tmp_path}")
    monkeypatch.setenv("ETL_MAX_REJECTED_SHARE", "0.25")
    assert run(SALES, "2018-03-25") == {"read": 4, "clean": 3, "duplicates": 0, "set_apart": 0, "rejected": 1}
    ((line, reason),) = rejected(data, "sales", "2018-03-25")
    assert line == 4
    assert "is not a time in Europe/Berlin" in reason
    found = read("sales", "2018-03-25")
    assert found["Zeit"].dt.strftime("%d %H:%M:%S").to_list() == ["24 23:00:00", "25 00:59:59", "25 21:59:59"]
    assert found["Artikel"].fillna("").to_list() == ['Käse "fein"', "Öl", ""]
    assert found["Betrag"].fillna(0).to_list() == [1234.5, 0, -0.99]
    assert found["Bar"].isna().to_list() == [False, False, True]
    assert found["Bar"][:2].to_list() == [True, False]


@pytest.fixture
def database():
    return create_engine(os.environ["TEST_POSTGRES"].replace("postgresql:", "postgresql+psycopg2:"))


def test_a_postgresql_table(run, database, monkeypatch):
    from my_etl.bookings import BOOKINGS

    with database.begin() as connection:
        connection.execute(
            text("""
            create table bookings
                (id bigint, booked_at timestamptz, entered_at timestamp, amount numeric, details jsonb);
            insert into bookings values
                (9007199254740993, '2018-02-01T00:00:00.123456Z', '2018-02-01 08:00', 12.50, '{"a": [1, 2.50]}'),
                (2, '2018-02-01T23:59:59.999999Z', null, null, null),
                (3, '2018-02-02T00:00:00Z', null, 1, null)
            """)
        )
    monkeypatch.setenv("AIRFLOW_CONN_ERP", os.environ["TEST_POSTGRES"].replace("postgresql:", "postgres:"))
    assert run(BOOKINGS, DAY) == {"read": 2, "clean": 2, "duplicates": 0, "set_apart": 0, "rejected": 0}
    found = read("bookings", DAY)
    assert found["id"].to_list() == [9007199254740993, 2]
    assert [moment.microsecond for moment in found["booked_at"]] == [123456, 999999]
    assert found["entered_at"][0] == datetime(2018, 2, 1, 7, tzinfo=UTC)
    assert found["amount"][0] == 12.5
    assert json.loads(found["details"][0]) == {"a": [1, 2.5]}


def test_a_snapshot(run, serve, monkeypatch):
    from my_etl.prices import PRICES

    prices = [{"article": f"a{n}", "price": n} for n in range(1_000)]
    monkeypatch.setenv("PRICES_URL", serve(lambda query, headers: (200, {"articles": prices})))
    monkeypatch.setattr(steps, "now", lambda: datetime(2018, 2, 2, 0, 1, tzinfo=UTC))
    assert run(PRICES, DAY)["clean"] == 1_000
    with pytest.raises(steps.Permanent, match="what the source says now is of another moment"):
        run(PRICES, DAY)
    prices.pop()
    monkeypatch.setattr(steps, "now", lambda: datetime(2018, 2, 3, 0, 1, tzinfo=UTC))
    with pytest.raises(steps.Permanent, match="999 rows, less than 1000"):
        run(PRICES, "2018-02-02")


def test_every_hour(run, serve, monkeypatch):
    from my_etl.meters import METERS

    hour = f"{DAY}T05"
    readings = [{"meter": n, "read_at": f"{hour}:{n:02d}:59.999Z", "kwh": n / 8} for n in range(60)]

    def api(query, headers):
        assert (query["since"], query["until"]) == (f"{hour}:00:00+00:00", f"{DAY}T06:00:00+00:00")
        at = int(query.get("after", 0))
        more = f"?since={query['since']}&until={query['until']}&after={at + 25}".replace("+", "%2B")
        return 200, readings[at : at + 25], {"Link": f'<{more}>; rel="next"'} if at < 50 else {}

    monkeypatch.setenv("METERS_URL", serve(api))
    assert run(METERS, hour)["clean"] == 60
    assert read("meters", hour)["kwh"].to_list() == [n / 8 for n in range(60)]
    assert len(read("meters", DAY)) == 60  # all hours of the day
