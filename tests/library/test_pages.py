"""The code in docs/, taken out of the pages and run: see pages/."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.conftest import TEMPLATE, run
from tests.servers.postgres_server import PostgresServer

HERE = Path(__file__).parent / "pages"
PAGES = ("sources", "recipes")
FILE = re.compile(r"^```python\n# (dags/\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def files(page):
    """The files that a page shows, by path."""
    return dict(FILE.findall((TEMPLATE / "docs" / f"{page}.md").read_text("utf-8")))


@pytest.mark.parametrize("path", files("sources"))
def test_a_source_is_short(path):
    lines = [line for line in files("sources")[path].splitlines() if line.strip()]
    assert len(lines) <= (40 if path.endswith("orders.py") else 25)
    assert not re.search(r"\b(sink|mark|rewind|while|next_page|offset)\b", "\n".join(lines))


def test_all_python_of_the_pages_is_run():
    for page in PAGES:
        text = (TEMPLATE / "docs" / f"{page}.md").read_text("utf-8")
        assert text.count("```python\n") == len(files(page)), f"{page}.md has code that says no file"


def uv():
    return shutil.which("uv") or str(TEMPLATE / ".tools" / "bin" / "uv")


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """A Python with Airflow and what the pages use."""
    folder = tmp_path_factory.mktemp("pages")
    run([uv(), "venv", "-q", "--python", sys.executable, "venv"], folder)
    lock = ["--require-hashes", "-r", HERE / "requirements.lock"]
    run([uv(), "pip", "install", "-q", "--python", "venv/bin/python", *lock], folder)
    return folder / "venv" / "bin" / "python"


@pytest.fixture(scope="module")
def dags(bake, tmp_path_factory):
    """The DAG folder of a project that has all files of the pages."""
    project = tmp_path_factory.mktemp("project") / "my-etl"
    shutil.copytree(bake(), project)
    for page in PAGES:
        for path, text in files(page).items():
            (project / path).write_text(text, "utf-8")
    return project / "dags"


def test_the_code_is_in_the_style_of_a_project(dags):
    ruff, shown = Path(sys.executable).with_name("ruff"), [path for page in PAGES for path in files(page)]
    run([ruff, "check", "--no-cache", *shown], dags.parent)
    run([ruff, "format", "--no-cache", "--check", *shown], dags.parent)


@pytest.mark.airflow
@pytest.mark.servers
@pytest.mark.xdist_group("pages")
@pytest.mark.parametrize("page", PAGES)
def test_the_code_of_a_page(python, dags, tmp_path, page):
    with PostgresServer("secret") as postgres:
        options = ["-q", "-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={tmp_path}", f"--confcutdir={HERE}"]
        command = [python, "-m", "pytest", *options, "--import-mode=importlib", HERE / f"test_{page}.py"]
        url = f"postgresql://postgres:secret@127.0.0.1:{postgres.port}/postgres"
        printed = run(command, tmp_path, PYTHONPATH=dags, TEST_POSTGRES=url)
    assert re.fullmatch(r"\d+ passed(, \d+ warnings?)? in .*", printed.splitlines()[-1])
