"""`pytest --dag-integrity`: one test per DAG file, and one for the rest. A test module may have the same: testing.py.

The checks run once, in a process of their own, which has on its path what a pod has. With `pytest -n` each process
that has such a test runs them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

REPORT = pytest.StashKey[dict[str, Any]]()
FILES = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    words = "check the DAG files, too: a test for each, by the policy [tool.dag-integrity] in pyproject.toml"
    parser.getgroup("dag-integrity").addoption("--dag-integrity", action="store_true", help=words)


def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--dag-integrity"):
        items += _collected(session, config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with the argument `dag_integrity_file` runs for each; with DAG=orders in the environment for its files."""
    if "dag_integrity_file" in metafunc.fixturenames:
        names = dag_files(metafunc.config, os.environ.get("DAG", ""))
        metafunc.parametrize("dag_integrity_file", names, ids=[_short(metafunc.config, name) for name in names])


@pytest.fixture(scope="session")
def dag_integrity_report(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What the checks found and printed."""
    return report_of(request.config, os.environ.get("DAG", ""))


class DagFile(pytest.File):
    """A DAG file, or pyproject.toml with what is found elsewhere."""

    def collect(self) -> Iterator[DagItem]:
        yield DagItem.from_parent(self, name="dag-integrity")


class DagItem(pytest.Item):
    """The findings of one file."""

    def runtest(self) -> None:
        report = report_of(self.config)
        if self.path.name == "pyproject.toml":
            fail_with_rest(report, dag_files(self.config))
        else:
            fail_with(report, self.path.relative_to(self.config.rootpath).as_posix())

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, f"dag-integrity: {self.path.relative_to(self.config.rootpath).as_posix()}"


def _collected(session: pytest.Session, config: pytest.Config) -> Iterator[pytest.Item]:
    for name in [*dag_files(config), "pyproject.toml"]:
        file = DagFile.from_parent(session, path=config.rootpath / name)
        for item in file.collect():
            if config.pluginmanager.hasplugin("xdist"):  # which registers the mark
                item.add_marker(pytest.mark.xdist_group("dag-integrity"))
            yield item


def dag_files(config: pytest.Config, dag: str = "") -> list[str]:
    """The DAG files, as paths from the root; of one DAG those that have its name."""
    if FILES not in config.stash:
        from .config import read_policy
        from .discovery import list_folder
        from .model import PolicyError

        try:
            policy = read_policy(config.rootpath)
            found = [list_folder(config.rootpath / one, policy.environment).dag_files for one in policy.folders]
        except PolicyError as error:
            raise pytest.UsageError(f"dag-integrity: {error}") from None
        config.stash[FILES] = [path.relative_to(config.rootpath).as_posix() for files in found for path in files]
    names = config.stash[FILES]
    return [name for name in names if dag in Path(name).stem or dag in (config.rootpath / name).read_text("utf-8")]


def _short(config: pytest.Config, name: str) -> str:
    """The path in the DAG folder without .py, as the test's name."""
    from .config import read_policy

    for folder in read_policy(config.rootpath).folders:
        if name.startswith(f"{folder}/"):
            name = name.removeprefix(f"{folder}/")
    return name.removesuffix(".py")


def report_of(config: pytest.Config, dag: str = "") -> dict[str, Any]:
    """The report of the checks, which run once."""
    if REPORT not in config.stash:
        config.stash[REPORT] = _check(config.rootpath, dag)
    report = config.stash[REPORT]
    if "error" in report:
        pytest.fail(f"The checks could not run:\n{report['error']}", pytrace=False)
    return report


def _check(root: Path, dag: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "report.json")
        command = [sys.executable, "-m", "dag_integrity", "--all", "--json", str(path)]
        command += ["--dag", dag] if dag else []
        if os.environ.get("GITLAB_CI"):
            command += ["--gitlab", str(root / "build" / "gl-code-quality-report.json")]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True)
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    # 1: there are findings. 2 with a report: there is no DAG file.
    if not found or (found["files"] and done.returncode not in (0, 1)):
        return {"error": f"{done.stdout}{done.stderr}"}
    return found | {"printed": done.stdout}


def fail_with(report: dict[str, Any], name: str) -> None:
    """Fail with the findings of the file, if there are any."""
    _fail([finding for finding in report["findings"] if finding["file"] == name])


def fail_with_rest(report: dict[str, Any], names: list[str]) -> None:
    """Fail with what was found elsewhere: helper modules, what .airflowignore hides, the policy's exemptions."""
    _fail([finding for finding in report["findings"] if finding["file"] not in names])


def _fail(findings: list[dict[str, Any]]) -> None:
    if findings:
        # The rule first: pytest's summary has 80 columns.
        rules = ", ".join(dict.fromkeys(finding["rule"] for finding in findings))
        pytest.fail("\n".join([rules, *(finding["text"] for finding in findings)]), pytrace=False)
