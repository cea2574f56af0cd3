"""`make data-diff`: what a change does to the data of the sample days, in a baked project with commits."""

import runpy

import pytest

from tests.conftest import TEMPLATE, run
from tests.etl_tools.in_process import evaluate

REACH = TEMPLATE / "src" / "etl_tools" / "local" / "data_diff" / "reach.py"
WITHOUT_SAMPLE = '''"""A DAG that offers no sample day, and takes what the example has."""

import pendulum
from airflow.sdk import dag, task

from my_etl.datasets import tasks
from my_etl.earthquakes.dataset import EARTHQUAKES


@dag(schedule=tasks.every("day"), start_date=pendulum.datetime(2018, 1, 1, tz="UTC"), params=tasks.params())
def no_sample():
    @task
    def name():
        return EARTHQUAKES.name

    name()


no_sample()
'''


@pytest.fixture(scope="module")
def repository(project):
    """The project with two commits: as it was baked, and with a page that no DAG reads."""
    run(["git", "add", "--all"], cwd=project)
    run(["git", "commit", "--quiet", "-m", "Begin"], cwd=project)
    run(["git", "checkout", "--quiet", "-b", "change"], cwd=project)
    (project / "docs" / "more.md").write_text("More.\n")
    run(["git", "add", "--all"], cwd=project)
    run(["git", "commit", "--quiet", "-m", "A page"], cwd=project)
    return project


@pytest.mark.airflow
def test_a_change_that_no_dag_reads(repository):
    printed = run(["make", "data-diff", "BASE=main"], cwd=repository)
    assert "- DAGs that ran on both sides: none, for the change reaches no DAG" in printed
    assert "differs" not in printed


@pytest.mark.airflow
@pytest.mark.parametrize(
    ("days", "expect", "ran"),
    [("", 0, "none"), ('days=["2018-02-01"]', 2, "`no_sample`")],
    ids=["no day", "no dataset"],
)
def test_nothing_compared_is_no_good_news(repository, days, expect, ran):
    """A DAG without a sample day, and one that writes no dataset."""
    file = repository / "dags" / "no_sample.py"
    file.write_text(WITHOUT_SAMPLE.replace("tasks.params()", f"tasks.params({days})"))
    run(["git", "checkout", "--quiet", "-b", "other"], cwd=repository)
    run(["git", "add", file], cwd=repository)
    run(["git", "commit", "--quiet", "-m", "A DAG"], cwd=repository)
    file.write_text(file.read_text() + "# Changed.\n")
    try:
        printed = run(["make", "data-diff", "BASE=HEAD"], cwd=repository, ETL_SOURCE="sample", expect=expect)
    finally:
        run(["git", "checkout", "--quiet", "--force", "change"], cwd=repository)
        run(["git", "branch", "--quiet", "-D", "other"], cwd=repository)
    assert f"- DAGs that ran on both sides: {ran}" in printed
    assert "**Nothing was compared**: no DAG that this change reaches wrote a dataset on a sample day." in printed
    assert "`tests/orders_sample/2018-02-01.jsonl`" in printed
    assert "No row, reject or value differs" not in printed


@pytest.mark.airflow
def test_no_such_branch(repository):
    printed = run(["make", "data-diff", "BASE=nothing"], cwd=repository, expect=2)
    assert "make data-diff: nothing cannot be compared with" in printed
    assert "make data-diff BASE=main" in printed


@pytest.mark.airflow
def test_a_base_that_is_no_project_is_said(repository):
    """As the first pull request of somebody who moves in."""
    run(["git", "checkout", "--quiet", "--orphan", "other"], cwd=repository)
    try:
        run(["git", "rm", "--quiet", "--cached", "pyproject.toml"], cwd=repository)
        run(["git", "commit", "--quiet", "-m", "Without"], cwd=repository)
        run(["git", "add", "pyproject.toml"], cwd=repository)
        run(["git", "commit", "--quiet", "-m", "With"], cwd=repository)
        printed = run(["make", "data-diff", "BASE=other~1"], cwd=repository)
    finally:
        run(["git", "checkout", "--quiet", "--force", "change"], cwd=repository)
    assert "- **Before nothing could be run**: `" in printed
    assert "is in no project of airflow-etl-template" in printed


@pytest.mark.airflow
def test_a_changed_clean(repository, tmp_path):
    """A value, a class, a rule and a new column, which are committed; a DAG without a sample, which is not."""
    dataset = repository / "dags" / "my_etl" / "earthquakes" / "dataset.py"
    text = dataset.read_text()
    for old, new in (
        ('"micro": 3', '"micro": 2'),
        ("    return events\n", '    events["twice"] = events["mag"] * 2\n    return events\n'),
        ("DERIVED = (\n", 'DERIVED = (\n    Column("twice", "number"),\n'),
        (
            '    newest="updated",\n',
            '    newest="updated",\n    rules={"too|<b>deep": lambda frame: frame["depth"] > 300},\n',
        ),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    dataset.write_text(text)
    run(["git", "commit", "--quiet", "--all", "-m", "Other classes"], cwd=repository)
    (repository / "dags" / "no_sample.py").write_text(WITHOUT_SAMPLE)
    summary = tmp_path / "summary.md"
    printed = run(["make", "data-diff", "BASE=main"], cwd=repository, GITHUB_STEP_SUMMARY=str(summary))
    report = summary.read_text()
    assert report == (repository / "build" / "data-diff.md").read_text()
    assert report in printed
    lines = report.splitlines()
    assert "- DAGs that ran on both sides: `extract`, `transform`" in lines
    (said,) = [line for line in lines if "`no_sample`" in line]
    assert "does not run: `no_sample offers no day" in said
    assert "| `twice` | new: double |  |  |" in lines
    (reason,) = [line for line in lines if "deep" in line]
    assert reason.startswith("| `line too¦<b>deep` | **0 → ") or reason.startswith("| `too¦<b>deep` | **0 → ")
    (day,) = [line for line in lines if line.startswith("| 2018-02-01 |")]
    clean, _, _, rejected = (cell.strip(" *").split(" → ") for cell in day.strip("| ").split("|")[1:])
    assert int(clean[0]) - int(clean[1]) == int(rejected[1]) - int(rejected[0]) > 0
    (classes,) = [line for line in lines if line.startswith("| `magnitude_class` | string | ")]
    assert "`micro` → `minor` (2018-02-01)" in classes
    # This checkout's own data and database are left alone.
    assert not (repository / ".airflow" / "data").exists()


@pytest.mark.airflow
def test_a_dag_that_cannot_be_imported_any_more_fails_it(repository):
    path = repository / "dags" / "transform.py"
    whole = path.read_text()
    path.write_text(whole.replace("def transform():", "def transform(:"))
    try:
        printed = run(["make", "data-diff", "BASE=main"], cwd=repository, expect=2)
    finally:
        path.write_text(whole)
    assert "- **`dags/transform.py`** ran before, and **fails now**: `" in printed
    assert "`transform` is gone" not in printed


def test_a_checkout_that_git_does_not_list_is_not_compared(bake_fresh, tmp_path):
    """Of no files it would say that all of them have gone."""
    project = bake_fresh()
    run(["git", "add", "--all"], cwd=project)
    run(["git", "commit", "--quiet", "-m", "Begin"], cwd=project)
    (project / ".git" / "index").write_text("garbage")
    with pytest.raises(ValueError, match="index file"):
        evaluate(project, "local.data_diff", lambda data_diff: data_diff.copy_checkout(tmp_path / "after"))


@pytest.fixture
def dags(tmp_path):
    """A DAG folder: orders imports its module, which imports a helper; visits has nothing to do with them."""
    files = {
        "orders.py": "from my_etl import orders",
        "visits.py": "import my_etl.visits.dataset",
        "my_etl/__init__.py": "",
        "my_etl/orders.py": "from .helper import clean",
        "my_etl/helper.py": "",
        "my_etl/visits/__init__.py": "",
        "my_etl/visits/dataset.py": "from ..shared import x",
        "my_etl/shared/__init__.py": "",
        "my_etl/visits/sample/2018.csv": "",
        "my_etl/orders_sample/2018.jsonl": "",
        "broken.py": "def (",
    }
    for name, text in files.items():
        path = tmp_path / "dags" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "dags"


@pytest.mark.parametrize(
    ("changed", "reached"),
    [
        ("dags/my_etl/helper.py", {"orders.py"}),
        ("dags/my_etl/shared/__init__.py", {"visits.py"}),
        ("dags/my_etl/__init__.py", {"orders.py", "visits.py"}),
        ("dags/my_etl/visits/sample/2018.csv", {"visits.py"}),
        ("dags/my_etl/orders_sample/2018.jsonl", {"orders.py", "visits.py"}),  # rather too many than too few
        ("dags/orders.py", {"orders.py"}),
        ("helm/values.yaml", set()),
    ],
)
def test_what_a_change_reaches(dags, changed, reached):
    found = runpy.run_path(str(REACH))["dag_files"](dags, dags.parent, {changed})
    assert {name.removeprefix("dags/") for name in found if name.count("/") == 1} - {"broken.py"} == reached
    # What cannot be parsed may need anything.
    assert ("dags/broken.py" in found) == changed.startswith("dags/")
