"""`make look`: a year of days as one small page, read as text and opened in the real browser."""

import re
import shutil

import pytest

from tests.conftest import run
from tests.etl_tools.local import year_of_data
from tests.etl_tools.local.year_of_data import ATTACK, DAMAGED, MISSING

pytestmark = pytest.mark.airflow


@pytest.fixture(scope="module")
def data(project, tmp_path_factory):
    """Three datasets of a year; one of them has 1,440 raw files a day."""
    root = tmp_path_factory.mktemp("data")
    run([project / ".venv/bin/python", year_of_data.__file__, root, "3"], cwd=project)
    return root


@pytest.fixture(scope="module")
def look(project, data):
    """Return a function: variables of make → the page as text, and what was printed."""

    def written(**variables):
        printed = run(["make", "look"], cwd=project, ETL_DATA_ROOT=f"file://{data}", OPEN="0", **variables)
        return (project / ".airflow" / "look.html").read_text(), printed

    return written


@pytest.fixture(scope="module")
def orders(look):
    page, printed = look(DATASET="orders")
    assert printed.startswith(".airflow/look.html (")
    return page


def test_a_year_is_small(look):
    page, _ = look()
    assert len(page.encode()) <= 200_000
    assert all(f'<h2 id="{name}">' in page for name in ("orders", "visits", "events"))
    # What had no room is said.
    assert re.search(r"\d+ older days are in the pictures only: make look DATASET=… has room", page)


def test_one_dataset_has_room_for_every_day(orders):
    assert len(orders.encode()) <= 200_000
    assert "older days" not in orders
    assert orders.count("<tr><td>2025-") > 364


def test_what_the_files_say_about_themselves(orders):
    for words in (
        f"1 day missing in between</span>: {MISSING}",
        f"1 day damaged</span>: {DAMAGED}: orders.parquet cannot be read",
        "1 day fetched, and not published</span>: 2026-01-01",
        "<td>2025-01-01 to 2025-06-06<td class=n>156<td><code>aaaaaaaaaaaa</code><td><code>0123456789ab",
        "<code>bbbbbbbbbbbb</code> with changes that were not committed",
        "0000-of-0002.csv ",
        "price is not a number</summary>",
        "place is longer than 10 characters</summary>",
        "<td>1 to 62 EUR<td>",
        "<td>string<td>C0 to C9<td>",
        "100.0%",
    ):
        assert words in orders, words


@pytest.mark.parametrize(("key", "word"), [("2018-02-01T05", "hour"), ("2018-02", "month"), ("2018-01-29", "day")])
def test_an_hour_is_no_day(project, tmp_path, key, word):
    """By the folders' names: they are all that says which period a dataset has."""
    for kind, file in (("clean", "one.parquet"), ("raw", "manifest.json")):
        folder = tmp_path / kind / "one" / f"partition_date={key if kind == 'clean' else key[:-1] + '8'}"
        folder.mkdir(parents=True)
        (folder / file).write_text("")
    run(["make", "look"], cwd=project, ETL_DATA_ROOT=f"file://{tmp_path}", OPEN="0")
    page = (project / ".airflow" / "look.html").read_text()
    for said in (f"1 {word}, {key} to", f"1 {word} damaged", f"1 {word} fetched, and not published"):
        assert said in page
    for said in (f"Rows by {word}", f"What the {word}s were", f"Every {word}, ", f"<th>{word.title()}s<th"):
        assert said in page


def test_a_time_is_shown_whole(orders):
    times = re.findall(r"<td>(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\S*) to (\S+ \S+)", orders)
    assert times
    assert not [one for pair in times for one in pair if "…" in one]


def test_nothing_of_the_data_is_html(orders):
    assert "<script" not in orders
    assert "<img" not in orders
    assert "&lt;script&gt;document.title" in orders
    assert "before &lt;b&gt;tax" in orders
    assert "\x00" not in orders


def test_nothing_is_loaded(orders):
    addresses = set(re.findall(r"\w+://[^\"' <]+", orders))
    assert addresses <= {"http://www.w3.org/1999/xlink", "http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in orders


def test_a_wrong_name_says_the_right_ones(project, data):
    made = {"ETL_DATA_ROOT": f"file://{data}", "DATASET": "order"}
    printed = run(["make", "look"], cwd=project, expect=2, **made)
    assert f"make look: there is no dataset order in {data}, only events, orders, visits." in printed


def test_without_data(project, tmp_path):
    printed = run(["make", "look"], cwd=project, expect=2, ETL_DATA_ROOT=f"file://{tmp_path}")
    assert f"make look: there is no data in {tmp_path}: make run first." in printed
    printed = run(["make", "look"], cwd=project, expect=2, ETL_DATA_ROOT="s3://bucket/x")
    assert "make look: the data are in s3://bucket/x, which it cannot read" in printed


def test_a_browser_is_opened_where_there_is_a_screen(project, data, tmp_path):
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    run(["make", "look"], cwd=project, ETL_DATA_ROOT=f"file://{data}", BROWSER=f"{browser} %s")
    assert (tmp_path / "opened").read_text() == f"file://{project}/.airflow/look.html\n"


@pytest.mark.skipif(not (shutil.which("chromium") or shutil.which("google-chrome")), reason="there is no browser")
def test_in_a_browser(orders, tmp_path):
    from playwright.sync_api import sync_playwright

    from tests.e2e.browser import FLAGS, SIZE

    file = tmp_path / "look.html"
    file.write_text(orders)
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        page = browser.new_page(viewport=SIZE)
        asked, complaints = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(file.as_uri())
        assert page.title() == "The data of my-etl"
        picture = page.locator("figure svg").bounding_box()
        assert picture["width"] > 600
        assert picture["height"] > 100
        page.get_by_text("price is not a number", exact=True).click()
        assert page.get_by_text(ATTACK).first.is_visible()
        assert page.title() == "The data of my-etl"
        # It fits: nobody has to scroll to the side.
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert (asked, complaints) == ([file.as_uri()], [])
        browser.close()
