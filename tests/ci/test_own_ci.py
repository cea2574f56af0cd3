"""The template's own workflows, hooks and release notes."""

import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from scripts.release_notes import section
from tests.conftest import QUESTIONS, TEMPLATE, run

BIN = Path(sys.executable).parent
WORKFLOWS = sorted((TEMPLATE / ".github/workflows").glob("*.yml"))

CHANGELOG = """# Changelog

## [Unreleased]

- Later

## [1.10.0] - 2026-12-01

### Added

- A [link](https://example.com)

## [1.1.0] - 2026-11-01

- First

[1.1.0]: https://example.com/compare
"""


def test_auditors_find_nothing():
    schema = [BIN / "check-jsonschema", "--builtin-schema"]
    forms = [path for path in (TEMPLATE / ".github/ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml"]
    assert forms
    run([BIN / "zizmor", "--offline", "--quiet", "--persona=pedantic", "--color=never", ".github"], cwd=TEMPLATE)
    run([*schema, "vendor.github-workflows", *WORKFLOWS], cwd=TEMPLATE)
    run([*schema, "vendor.github-issue-forms", *forms], cwd=TEMPLATE)
    run([*schema, "vendor.github-issue-config", ".github/ISSUE_TEMPLATE/config.yml"], cwd=TEMPLATE)
    run([BIN / "yamllint", "--strict", "."], cwd=TEMPLATE)
    scripts = [path for path in (TEMPLATE / ".ci").iterdir() if path.read_bytes().startswith(b"#!/usr/bin/env bash")]
    run([BIN / "shellcheck", *scripts], cwd=TEMPLATE)


def test_actions_are_those_of_the_generated_projects():
    pins = {value for name, value in QUESTIONS.items() if name.startswith("_action_")}
    used = [used for path in WORKFLOWS for used in re.findall(r"uses: (.+)", path.read_text())]
    assert used
    assert set(used) - {"$/.github/workflows/whole.yml"} <= pins


def test_ci_runs_what_a_contributor_runs():
    steps = [
        step
        for path in WORKFLOWS
        for job in yaml.safe_load(path.read_text())["jobs"].values()
        for step in job.get("steps", [])
    ]
    commands = {step["run"] for step in steps if "run" in step}
    assert {"make lint", "make test-fast", "make bump", ".ci/run"} <= commands
    targets = set(re.findall(r"^([\w./-]+):", (TEMPLATE / "Makefile").read_text(), re.MULTILINE))
    assert {command.removeprefix("make ") for command in commands if command.startswith("make ")} <= targets


def test_everything_is_run_nightly_before_a_release_and_with_the_newest_releases():
    whole, bump, release = (
        yaml.safe_load((TEMPLATE / f".github/workflows/{name}.yml").read_text())
        for name in ("whole", "bump", "release")
    )
    # PyYAML takes the key `on` for true.
    assert {"schedule", "workflow_call"} <= whole[True].keys()
    assert whole["jobs"]["whole"]["container"]["options"] == "--privileged"
    assert "schedule" in bump[True]
    assert bump["jobs"]["whole"]["uses"] == release["jobs"]["whole"]["uses"] == "$/.github/workflows/whole.yml"
    assert bump["jobs"]["whole"]["with"] == {"ref": "bump"}
    assert release["jobs"]["release"]["needs"] == "whole"


def test_bump_pushes_what_changed_and_nothing_else(tmp_path):
    steps = yaml.safe_load((TEMPLATE / ".github/workflows/bump.yml").read_text())["jobs"]["bump"]["steps"]
    (script,) = [step["run"] for step in steps if step.get("id") == "push"]
    work, there, output = tmp_path / "work", tmp_path / "there.git", tmp_path / "output"
    run(["git", "init", "--quiet", "--bare", there], cwd=tmp_path)
    run(["git", "init", "--quiet", work], cwd=tmp_path)
    (work / "pins").write_text("1\n")
    run(["git", "add", "--all"], cwd=work)
    run(["git", "commit", "--quiet", "-m", "Before"], cwd=work)
    output.touch()
    script = script.replace("https://x-access-token:$TOKEN@github.com/$GITHUB_REPOSITORY", str(there))
    run(["bash", "-e", "-c", script], cwd=work, GITHUB_OUTPUT=str(output))
    assert output.read_text() == ""
    (work / "pins").write_text("2\n")
    run(["bash", "-e", "-c", script], cwd=work, GITHUB_OUTPUT=str(output))
    assert output.read_text() == "changed=true\n"
    assert run(["git", "show", "bump:pins"], cwd=there) == "2\n"


@pytest.fixture
def clone(tmp_path):
    """Return a copy of what git knows of the template, under git, with this environment as its .venv."""
    copy = tmp_path / "template"
    listed = run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=TEMPLATE)
    for name in filter(None, listed.split("\0")):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(TEMPLATE / name, copy / name)
    (copy / ".venv").symlink_to(BIN.parent)
    run(["git", "init", "--quiet"], cwd=copy)
    # A link is no folder, which is what .gitignore names.
    (copy / ".git/info/exclude").write_text("/.venv\n")
    run(["git", "add", "--all"], cwd=copy)
    return copy


def test_own_hooks_pass_and_refuse(clone):
    run([BIN / "pre-commit", "run", "--all-files"], cwd=clone)
    (clone / "secrets").mkdir()
    (clone / "secrets/key").write_text("an innocent word\n")
    (clone / "scripts/odd.py").write_text("print(undefined)\n")
    (clone / ".github/workflows/odd.yml").write_text("on: push\njobs: {a: {runs-on: x, steps: [{uses: a/b@v1}]}}\n")
    run(["git", "add", "--all", "--force"], cwd=clone)
    output = run([BIN / "pre-commit", "run"], cwd=clone, expect=1)
    assert "secrets/key: secrets/ never enters git" in output
    assert "F821" in output
    assert "unpinned-uses" in output


def test_release_notes_are_one_section():
    assert section(CHANGELOG, "1.10.0") == "### Added\n\n- A [link](https://example.com)"
    assert section(CHANGELOG, "1.1.0") == "- First"
    assert section(CHANGELOG, "1.1") is None
    assert section(CHANGELOG.replace("- First", ""), "1.1.0") is None


@pytest.fixture
def release(tmp_path):
    """Return a function: tag, version, changelog, expected status → what the script that the release runs prints."""

    def notes(tag, version, changelog, expect):
        (tmp_path / "scripts").mkdir()
        shutil.copy(TEMPLATE / "scripts/release_notes.py", tmp_path / "scripts")
        (tmp_path / "src/etl_tools").mkdir(parents=True)
        (tmp_path / "src/etl_tools/__init__.py").write_text(f'VERSION = "{version}"\n')
        (tmp_path / "CHANGELOG.md").write_text(changelog)
        return run([sys.executable, "scripts/release_notes.py", tag], cwd=tmp_path, expect=expect)

    return notes


def test_release_prints_the_notes(release):
    assert release("v1.1.0", "1.1.0", CHANGELOG, expect=0) == "- First\n"


def test_release_needs_a_section(release):
    assert "no section '## [2.0.0]" in release("v2.0.0", "2.0.0", CHANGELOG, expect=1)


def test_release_needs_the_version(release):
    assert "src/etl_tools says 1.0.0" in release("v1.1.0", "1.0.0", CHANGELOG, expect=1)
