"""Every rule of the generated DAG checks fires on its broken examples, where they say, and on no good one.

The examples are the DAG files in integrity/. `# expect: rule` at the end of a line is what the checks must find there,
`# expect-above: rule` what they must find in the line above; there must be nothing else. One run checks them all.
"""

import json
import re
import shutil

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

pytestmark = pytest.mark.airflow


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
    command = [".venv/bin/python", "tests/dag_integrity", "--json", report, *options]
    printed = run(command, cwd=project, expect=expect, **environment)
    return json.loads(report.read_text()), printed


@pytest.fixture(scope="module")
def checked(installed, tmp_path_factory):
    """The examples in a project of their own, checked once: the report and what was printed."""
    project, dags = project_with(installed, tmp_path_factory.mktemp("integrity"), POLICY)
    shutil.copytree(EXAMPLES, dags, dirs_exist_ok=True)
    (dags / "airflowignore").rename(dags / ".airflowignore")
    report, printed = check(project, expect=1)
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
    listed = run([".venv/bin/python", "tests/dag_integrity", "--rules"], cwd=installed())
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


def test_a_stale_entry_of_the_policy_is_found(checked):
    project, report, _ = checked
    findings = [f for f in report["findings"] if f["file"] == "pyproject.toml"]
    assert [f["rule"] for f in findings] == ["exemption"]
    assert "stale in the policy" in (project / "pyproject.toml").read_text().splitlines()[findings[0]["line"] - 1]
