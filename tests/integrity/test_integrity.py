"""Every rule of the generated DAG checks fires on its broken examples, where they say, and on no good one.

The examples are the DAG files in integrity/. `# expect: rule` at the end of a line is what the checks must find there,
`# expect-above: rule` what they must find in the line above; there must be nothing else. One run checks them all.
"""

import json
import re
import shutil
import zipfile

import pytest

from tests.conftest import TEMPLATE, run

EXAMPLES = TEMPLATE / "tests" / "integrity"
FILES = sorted(path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.rglob("*.py"))
POLICY = {
    "time-limit": "20",
    "python": '"3.9"',
    "external-assets": '["s3://elsewhere/*"]',
    "exempt": '[{ rule = "owner", dag = "nobody*", reason = "stale in the policy" }]',
}

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("integrity")]


def project_with(installed, folder, policy, **answers):
    """Return a private copy of an installed project with an empty DAG folder, sharing its .venv, and this policy."""
    source = installed(**answers)
    project = folder / "project"
    shutil.copytree(source, project, ignore=shutil.ignore_patterns(".venv", ".git", ".airflow"))
    (project / ".venv").symlink_to(source / ".venv")
    pyproject = project / "pyproject.toml"
    text = pyproject.read_text()
    for key, value in policy.items():
        text, count = re.subn(rf"(?m)^{key} = .*$", f"{key} = {value}", text)
        assert count == 1, key
    pyproject.write_text(text)
    dags = project / answers.get("dags_subpath", "dags")
    shutil.rmtree(dags)
    dags.mkdir(parents=True)
    return project, dags


def check(project, *options, expect=None, **environment):
    """Run the checks of a project; return the report and what was printed."""
    report = project / "report.json"
    command = [".venv/bin/python", "-m", "tools.dag_integrity", "--json", report, *options]
    printed = run(command, cwd=project, expect=expect, **environment)
    return json.loads(report.read_text()), printed


@pytest.fixture(scope="module")
def checked(installed, tmp_path_factory):
    """The examples in a project of their own, checked once: the report and what was printed."""
    project, dags = project_with(installed, tmp_path_factory.mktemp("integrity"), POLICY)
    shutil.copytree(EXAMPLES, dags, dirs_exist_ok=True)
    (dags / "airflowignore").rename(dags / ".airflowignore")
    with zipfile.ZipFile(dags / "packed.zip", "w") as archive:
        archive.write(EXAMPLES / "good" / "good_retries.py", "packed.py")
    report, printed = check(project, "--gitlab", "build/quality.json", expect=1, GITHUB_ACTIONS="true")
    return project, report, printed


def expected(file):
    """Return the (line, rule) pairs that an example announces."""
    for number, line in enumerate((EXAMPLES / file).read_text().splitlines(), 1):
        if match := re.search(r"# expect(-above)?: ([\w, -]+)$", line):
            for rule in match[2].split(","):
                yield number - bool(match[1]), rule.strip()


def found(report, file):
    return {(f["line"], f["rule"]) for f in report["findings"] if f["file"] == f"dags/{file}"}


@pytest.mark.parametrize("file", FILES)
def test_example(checked, file):
    _, report, _ = checked
    lines = "\n".join(f["text"] for f in report["findings"] if f["file"] == f"dags/{file}")
    assert found(report, file) == set(expected(file)), lines


def test_every_rule_has_a_broken_and_a_good_example(installed):
    listed = run([".venv/bin/python", "-m", "tools.dag_integrity", "--rules"], cwd=installed())
    rules = {line.split()[0] for line in listed.splitlines()}
    broken = {rule for file in FILES for _, rule in expected(file)}
    assert broken == rules
    assert all(not list(expected(file)) for file in FILES if file.startswith("good/"))


def test_each_finding_is_one_line_that_says_what_to_write(checked):
    _, report, printed = checked
    for finding in report["findings"]:
        line = f"{finding['file']}:{finding['line']}: {finding['rule']}: {finding['wrong']}. {finding['write']}."
        assert line in printed.splitlines()
        assert len(finding["write"]) > 5


def test_both_files_of_a_duplicate_are_named(checked):
    _, report, _ = checked
    lines = [f["text"] for f in report["findings"] if f["rule"] == "duplicate-dag-id"]
    assert any("broken/duplicate_dag_id.py" in line and "twice/duplicate_dag_id.py" in line for line in lines)


def test_an_archive_that_airflow_would_parse_is_found(checked):
    _, report, _ = checked
    assert found(report, "packed.zip") == {(1, "hidden-dag")}


def test_a_stale_entry_of_the_policy_is_found(checked):
    project, report, _ = checked
    findings = [f for f in report["findings"] if f["file"] == "pyproject.toml"]
    assert [f["rule"] for f in findings] == ["exemption"]
    assert "stale in the policy" in (project / "pyproject.toml").read_text().splitlines()[findings[0]["line"] - 1]


def test_github_annotates_the_lines(checked):
    """With GITHUB_ACTIONS set each finding is also a workflow command for its file and line."""
    _, report, printed = checked
    for finding in report["findings"]:
        assert f"::error file={finding['file']},line={finding['line']},title={finding['rule']}::" in printed


def test_gitlab_gets_a_code_quality_report(checked):
    project, report, _ = checked
    entries = json.loads((project / "build" / "quality.json").read_text())
    assert len(entries) == len(report["findings"]) == len({entry["fingerprint"] for entry in entries})
    for entry in entries:
        assert set(entry) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert entry["location"]["lines"]["begin"] >= 1


def test_static_rules_alone_import_nothing(checked):
    """The import-free rules on single files, with a Python path on which Airflow cannot be imported."""
    project, _, _ = checked
    (project / "no_airflow" / "airflow").mkdir(parents=True)
    (project / "no_airflow" / "airflow" / "__init__.py").write_text("raise SystemExit('Airflow was imported')\n")
    command = [".venv/bin/python", "-m", "tools.dag_integrity", "--static"]
    for file, rule in (
        ("heavy_import", "heavy-import"),
        ("clock_today", "clock-at-import"),
        ("forbidden_variable", "forbidden-at-import"),
        ("secret_key", "secret"),
        ("airflow_3_moved", "airflow-3"),
        ("python_syntax", "python-syntax"),
        ("import_error_syntax", "import-error"),
    ):
        path = f"dags/broken/{file}.py"
        printed = run([*command, path], cwd=project, expect=1, PYTHONPATH=str(project / "no_airflow"))
        assert {line.split(": ")[1] for line in printed.splitlines()} == {rule}, printed
    good = sorted(path.relative_to(project) for path in (project / "dags" / "good").glob("*.py"))
    assert run([*command, *good, "README.md", "tools/local/run.py"], cwd=project) == ""


def test_pytest_names_every_file_in_junit_xml(installed, tmp_path):
    """One test per DAG file; its finding is the failure's whole message, without a traceback."""
    project, dags = project_with(installed, tmp_path, {})
    shutil.copy(EXAMPLES / "good" / "good_clock.py", dags)
    shutil.copy(EXAMPLES / "broken" / "tags_none.py", dags)
    pytest_command = [".venv/bin/python", "-m", "pytest", "tests/test_dag_integrity.py", "--junitxml=junit.xml"]
    printed = run(pytest_command, cwd=project, expect=1)
    assert "1 failed, 2 passed" in printed
    xml = (project / "junit.xml").read_text()
    assert 'name="test_dag_file[dags/good_clock.py]"' in xml
    assert "dags/tags_none.py:8: tags: DAG tags_none has no tags. Write" in xml
    assert "Traceback" not in printed
    assert "2 passed" in run(pytest_command, cwd=project, expect=0, DAG="good_clock")
    assert "1 failed" in run(pytest_command, cwd=project, expect=1, DAG="tags_none")


def test_cache(installed, tmp_path):
    """Only what changed is parsed again: a file, what it imports, what it reads, the policy."""
    project, dags = project_with(installed, tmp_path, {}, dags_subpath="airflow/dags", project_slug="nested-etl")
    shutil.copytree(EXAMPLES / "good", dags, dirs_exist_ok=True)
    shutil.copytree(EXAMPLES / "good_helpers", dags / "good_helpers")
    (dags / ".airflowignore").write_text("good_helpers/\n")
    text = (
        (dags / "good_clock.py")
        .read_text()
        .replace("good_clock", "reads")
        .replace("import pendulum", "from pathlib import Path\n\nimport pendulum")
    )
    (dags / "reads.py").write_text(f'{text}\nPath(__file__).with_name("rows.csv").read_text()\n')
    (dags / "rows.csv").write_text("1\n")
    pyproject = project / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace("external-assets = []", 'external-assets = ["s3://*"]'))

    def parsed():
        report, printed = check(project)
        assert report["findings"] == [], printed
        return report["parsed"]

    everything = len(list(dags.glob("*.py")))
    assert parsed() == everything
    # The tests know what the command remembers, whatever the environment says of Airflow and the data.
    cache = project / ".airflow" / "integrity" / "cache.json"
    remembered = cache.read_text()
    run(
        [".venv/bin/python", "-m", "pytest", "-q", "tests/test_dag_integrity.py"],
        cwd=project,
        ETL_DATA_ROOT="file:///x",
    )
    assert cache.read_text() == remembered
    assert parsed() == 0
    (dags / "good_clock.py").write_text((dags / "good_clock.py").read_text() + "# changed\n")
    assert parsed() == 1
    (dags / "rows.csv").write_text("2\n")
    assert parsed() == 1
    helper = dags / "good_helpers" / "shops.py"
    helper.write_text(helper.read_text() + "# changed\n")
    assert parsed() == len([path for path in dags.glob("*.py") if "good_helpers" in path.read_text()]) == 3
    pyproject.write_text(pyproject.read_text().replace("min-retries = 1", "min-retries = 2"))
    assert parsed() == everything
    (project / ".airflow" / "integrity" / "cache.json").write_text("{")
    assert parsed() == everything


def test_the_policy_is_checked(installed, tmp_path):
    """A policy that cannot be read as written gets a plain line."""
    project, _ = project_with(installed, tmp_path, {})
    pyproject = project / "pyproject.toml"
    sound = pyproject.read_text()
    for line, said in (
        ("ownerz = []", "ownerz"),
        ('time-limit = "long"', "time-limit"),
        ("owners = 3", "owners"),
        ('dag-id-pattern = "("', "dag-id-pattern"),
        ('exempt = [{ rule = "tags" }]', "exempt"),
    ):
        key = line.split(" = ")[0]
        changed = re.sub(rf"(?m)^{key} = .*$", "", sound).replace(
            "[tool.dag-integrity]", f"[tool.dag-integrity]\n{line}"
        )
        pyproject.write_text(changed)
        printed = run([".venv/bin/python", "-m", "tools.dag_integrity"], cwd=project, expect=2)
        assert said in printed
        assert "Traceback" not in printed


def test_files_are_listed_as_airflow_lists_them(checked):
    """Airflow's own importers give the same files as the quick listing that does without importing Airflow."""
    project, _, _ = checked
    listing = """
import sys
from pathlib import Path
from airflow.dag_processing.importers import get_importer_registry
sys.path.insert(0, ".")
from tools.dag_integrity.folder import list_folder
dags = Path("dags").resolve()
airflow = sorted(file for file in get_importer_registry().list_dag_files(dags) if file.endswith(".py"))
assert airflow == [str(path) for path in list_folder(dags).dag_files], airflow
assert len(airflow) > 100
"""
    run([".venv/bin/python", "-c", listing], cwd=project, AIRFLOW_HOME=str(project / ".airflow"))


def test_table(installed):
    """`make dags` shows each DAG with its file, schedule, tasks, parse time and findings."""
    printed = run(["make", "dags"], cwd=installed())
    header, extract, transform, *_ = printed.splitlines()
    assert header.split() == ["DAG", "FILE", "SCHEDULE", "TASKS", "PARSE", "MS", "FINDINGS"]
    assert re.match(r"extract +dags/extract.py +0 0 \* \* \* \(partitions\) +\d+ +\d+ +0$", extract)
    assert re.match(r"transform +dags/transform.py +asset earthquakes_raw \(partitions\) +\d+ +\d+ +0$", transform)
