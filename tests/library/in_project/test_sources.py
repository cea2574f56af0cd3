"""Other sources, as their users write them: a paginated JSON API that fails now and then, and CSV files in a folder.

sources/ has, for each, a DAG file and a module. TEST_DATA_ROOT: where their data go, if not to a folder.
"""

import json
import os
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import my_etl
import pytest
from dirty import ID, without_ids
from my_etl.datasets import read
from my_etl.datasets.steps import folder
from my_etl.datasets.store import Store

HERE = Path(__file__).parent
DAY = "2018-02-01"
ANSWER = "answer: "  # how a line of run_dag.py begins that is one


class Airflow:
    """A real one, whose DAGs are the library and the sources, without the example; a shop and an inbox for them.

    It takes longer to start than to run a DAG, so what can share one does.
    """

    def __init__(self, folder, server):
        self.folder, self.shop, self.inbox = folder, Shop(server), folder / "inbox"
        self.inbox.mkdir()
        package = Path(my_etl.__file__).parent
        shutil.copytree(package, folder / "dags" / "my_etl", ignore=shutil.ignore_patterns("earthquakes"))
        shutil.copy(package.parent / ".airflowignore", folder / "dags")
        shutil.copytree(HERE / "sources", folder / "dags", dirs_exist_ok=True)
        self.data_root = f"{os.environ.get('TEST_DATA_ROOT') or folder.as_uri()}/{folder.name}"
        self.store = Store(self.data_root)
        self.log = folder / "log"
        self.process = self._start(server.url)

    def _start(self, shop_url):
        own = {
            "AIRFLOW_HOME": f"{self.folder}/home",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": f"{self.folder}/dags",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.folder}/airflow.db",
            "PYTHONPATH": f"{self.folder}/dags",
            "ETL_DATA_ROOT": self.data_root,
            "ETL_MAX_REJECTED_SHARE": "0.5",
            "SHOP_URL": shop_url,
            "INBOX": str(self.inbox),
        }
        command = [sys.executable, HERE / "run_dag.py", f"{self.folder}/dags"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, env=os.environ | own, stderr=self.log.open("w"), **pipes)

    def run(self, *words):
        """DAG, params of each run, DAG, … → what the tasks of each returned, or why they failed."""
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        printed = []
        for line in self.process.stdout:
            if line.startswith(ANSWER):
                return json.loads(line.removeprefix(ANSWER))
            printed.append(line)
        raise AssertionError("".join(printed) + self.log.read_text())

    def end(self):
        self.process.stdin.close()
        self.process.stdout.read()
        assert self.process.wait() == 0, self.log.read_text()


@pytest.fixture(scope="module")
def start(tmp_path_factory, new_server):
    """Return a function: → another Airflow, which ends after the last test."""
    started = []

    def one():
        started.append(Airflow(tmp_path_factory.mktemp("airflow"), new_server()))
        return started[-1]

    yield one
    for airflow in started:
        airflow.end()


@pytest.fixture(scope="module")
def shared(start):
    """For tests in which no scheduler works, and which have a dataset each."""
    return start()


@pytest.fixture
def reads(monkeypatch):
    """Return a function that lets read() read what an Airflow has made."""
    return lambda airflow: monkeypatch.setenv("ETL_DATA_ROOT", airflow.data_root)


def files(store, name):
    """All that there is of a day, by path."""
    places = [folder(kind, name, DAY) for kind in ("raw", "clean", "set_apart", "rejected")]
    paths = [f"{place}/{file}" for place in places for file in store.files(place)]
    return {path: store.read(path) for path in paths}


def rejected(store, name):
    lines = store.read(f"{folder('rejected', name, DAY)}/{name}.jsonl").splitlines()
    return [json.loads(ID.sub("ID", line.decode())) for line in lines]


@pytest.mark.parametrize("name", ["orders", "visits", "day_of_shop"])
def test_a_source_is_at_most_60_lines(name):
    texts = [(HERE / "sources" / place / f"{name}.py").read_text() for place in (".", "my_etl")]
    assert sum(len(text.splitlines()) for text in texts) <= 60, "blank lines counted"


class Shop:
    """The API of a shop: two orders a page; every third answer is a 503, and one a page of HTML."""

    def __init__(self, server):
        server.answers[:] = [self]
        self.orders = [
            {"id": n, "at": f"2018-02-01T{n:02d}:30:00Z", "price": n * 1.5, "discount": None} for n in range(24)
        ]
        self.orders[3] |= {"price": -1}
        self.orders[5] |= {"discount": 100}
        self.orders[7] |= {"id": 6}  # twice, the second one with more values
        self.orders[7] |= {"at": self.orders[6]["at"], "discount": 1}
        self.calls = 0

    def __call__(self, handler):
        self.calls += 1
        query = {name: values[0] for name, values in parse_qs(urlsplit(handler.path).query).items()}
        start, end = (datetime.fromisoformat(query[edge]) for edge in ("from", "to"))
        chosen = [o for o in self.orders if start <= datetime.fromisoformat(o["at"].replace("Z", "+00:00")) < end]
        page = int(query["page"])
        more = page + 1 if len(chosen) > 2 * page else None
        body = json.dumps({"orders": chosen[2 * page - 2 : 2 * page], "next_page": more}).encode()
        if self.calls == 4:
            body = b"<html>Log in</html>"
        handler.send_response(503 if self.calls % 3 == 0 else 200)
        handler.send_header("Retry-After", "0")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


def test_a_paginated_api(shared, reads):
    reads(shared)
    shop, store = shared.shop, shared.store
    days = [{"partition": DAY}, {"partition": DAY, "slices": 2}, {"partition": "2018-02-02", "slices": 1}]
    four, two, empty = shared.run("orders", *days)
    assert [made["state"] for made in (four, two, empty)] == ["success"] * 3
    assert shop.calls > 24
    assert [four["extract"][DAY]["files"], two["extract"][DAY]["files"]] == [4, 2]
    counts = {"read": 24, "clean": 21, "duplicates": 1, "set_apart": 0, "rejected": 2}
    assert four["transform"] == {DAY: counts}
    assert four["transform"] == two["transform"]
    assert empty["transform"]["2018-02-02"]["read"] == 0
    assert read("orders", DAY).set_index("id")["paid"].loc[[4, 6]].to_list() == [6.0, 9.5]
    assert rejected(store, "orders") == [
        {
            "file": "0000-of-0002.ID.jsonl",
            "line": line,
            "reason": reason,
            "row": json.dumps(shop.orders[line - 1]),
        }
        for line, reason in ((4, "price '-1' is outside 0 to 10,000"), (6, "the discount is more than the price"))
    ]
    before = without_ids(files(store, "orders"))
    assert len(before) == 6
    shared.run("orders", days[1])
    assert without_ids(files(store, "orders")) == before


def test_files_in_a_folder(shared, reads):
    reads(shared)
    (shared.inbox / f"north-{DAY}.csv").write_text("door,hour,visitors\nnorth,9,12\nnorth,10,\nnorth,25,1\n")
    (shared.inbox / f"south-{DAY}.csv").write_text("door,hour,visitors\nsouth,9,3\nsouth,9,3\n")
    made, missing = shared.run("visits", {"partition": DAY}, {"partition": "2018-02-02"})
    assert made["state"] == "success"
    counts = {"read": 5, "clean": 3, "duplicates": 1, "set_apart": 0, "rejected": 1}
    assert made["transform"] == {DAY: counts}
    assert missing == {"state": "failed", "extract": "No counter has sent 2018-02-02 yet.", "transform": None}
    visits = read("visits", DAY)
    assert visits[["door", "hour"]].to_numpy().tolist() == [["north", 9], ["north", 10], ["south", 9]]
    (reject,) = rejected(shared.store, "visits")
    assert reject == {
        "file": "0000-of-0001.ID.csv",
        "line": 4,
        "reason": "hour '25' is outside 0 to 23",
        "row": "north,25,1",
    }


def test_a_dataset_made_of_two_starts_when_both_are_published(start):
    """By the scheduler's own code: runs for the days that both have got, and then for what is made of these."""
    airflow = start()
    for day in (DAY, "2018-02-03"):
        (airflow.inbox / f"north-{day}.csv").write_text("door,hour,visitors\nnorth,9,12\n")
    first, third = {"partition": DAY}, {"partition": "2018-02-03"}
    orders = [{**first, "slices": 1}, {"partition": "2018-02-02", "slices": 1}]
    assert airflow.run("orders", *orders, "scheduler")[-1] == []
    assert airflow.run("visits", first, third, "scheduler")[-1] == [["day_of_shop", DAY]]
    made, missing, after = airflow.run("day_of_shop", first, third, "scheduler")
    assert (made["state"], made["build"]) == ("success", {"rows": 1})
    assert missing["state"] == "failed"
    assert "orders of 2018-02-03 is not in" in missing["build"]
    assert ["in_words", DAY] in after
    assert airflow.run("in_words", first)[0]["say"] == "12 visitors, 21 orders"


def test_a_week_is_made_once_all_of_its_days_are_there(start):
    airflow = start()
    days = [{"partition": f"2018-{day}", "slices": 1} for day in ("01-29", "01-30", "01-31", "02-01", "02-02", "02-04")]
    assert airflow.run("orders", *days, "scheduler")[-1] == []
    whole = airflow.run("orders", {"partition": "2018-02-03", "slices": 1}, "scheduler")[-1]
    assert whole == [["week_of_orders", "2018-01-29"]]
    assert airflow.run("week_of_orders", {"partition": "2018-01-29"})[0]["count"] == 21
