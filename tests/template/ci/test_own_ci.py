"""The template's own workflows, hooks and release notes."""

import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from etl_tools import VERSION
from scripts.release_notes import section
from tests.conftest import QUESTIONS, TEMPLATE, group_of, run

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


def test_groups_of_tests_stay_on_one_worker():
    """Their fixtures are made once; on two workers they would be made twice, and a scenario would be torn."""
    grouped = [path for path in (TEMPLATE / "tests").rglob("test_*.py") if "mark.xdist_group(" in path.read_text()]
    assert len(grouped) > 5
    grouped.remove(Path(__file__))
    assert [path for path in grouped if not group_of(str(path.relative_to(TEMPLATE)))] == []
    assert group_of("tests/library/test_s3.py") == "s3"


def test_actions_are_those_of_the_generated_projects():
    pins = {value for name, value in QUESTIONS.items() if name.startswith("_action_")}
    used = [used for path in WORKFLOWS for used in re.findall(r"uses: (.+)", path.read_text())]
    assert used
    own = {"$/.github/workflows/whole.yml", "$/.github/workflows/cluster.yml"}
    assert set(used) - own <= pins


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
    assert "whole" in release["jobs"]["release"]["needs"]


def bump_jobs():
    return yaml.safe_load((TEMPLATE / ".github/workflows/bump.yml").read_text())["jobs"]


def test_new_releases_run_where_no_token_is():
    """`make bump` installs and runs what came out since: its job may do nothing, and no step of it is given a token."""
    workflow = yaml.safe_load((TEMPLATE / ".github/workflows/bump.yml").read_text())
    assert workflow["permissions"] == {}
    jobs = workflow["jobs"]
    runs = {name: "\n".join(step.get("run", "") for step in job.get("steps", [])) for name, job in jobs.items()}
    (bump,) = [name for name, text in runs.items() if "make bump" in text.splitlines()]
    assert jobs[bump]["permissions"] == {}
    assert not re.search(r"token|secrets\.", yaml.safe_dump(jobs[bump]), re.IGNORECASE)
    (checkout,) = [step for step in jobs[bump]["steps"] if step.get("uses", "").startswith("actions/checkout@")]
    assert checkout["with"]["persist-credentials"] is False
    # Who has a token that may write runs git and gh, and nothing of this repository, which the patch changed.
    writing = {name for name, job in jobs.items() if "write" in job.get("permissions", {}).values()}
    assert writing == {"push", "propose"}
    for name in writing:
        assert not re.search(r"\b(make|python3?|pip|uv|npm)\b(?! bump)", runs[name]), name
        assert "setup-python" not in yaml.safe_dump(jobs[name])
    # And what they do comes after what they wait for.
    assert (jobs["push"]["needs"], jobs["whole"]["needs"], jobs["propose"]["needs"]) == ("bump", "push", "whole")


@pytest.fixture
def bumped(tmp_path):
    """Return a function: what `make bump` does → what the scripts of the first two jobs then push, or print."""
    jobs = bump_jobs()
    (first,) = [step["run"] for step in jobs["bump"]["steps"] if step.get("id") == "patch"]
    (second,) = [step["run"] for step in jobs["push"]["steps"] if step.get("id") == "push"]
    work, there, output = tmp_path / "work", tmp_path / "there.git", tmp_path / "output"
    second = second.replace("https://x-access-token:$TOKEN@github.com/$GITHUB_REPOSITORY", str(there))

    def act(change, expect=0):
        run(["git", "init", "--quiet", "--bare", there], cwd=tmp_path)
        run(["git", "init", "--quiet", work], cwd=tmp_path)
        for name in ("cookiecutter.json", "requirements.lock", "Makefile"):
            (work / name).write_text("1\n")
        run(["git", "add", "--all"], cwd=work)
        run(["git", "commit", "--quiet", "-m", "Before"], cwd=work)
        clone = tmp_path / "clone"
        run(["git", "clone", "--quiet", work, clone], cwd=tmp_path)
        output.touch()
        change(work)
        run(["bash", "-e", "-c", first], cwd=work, GITHUB_OUTPUT=str(output))
        if output.read_text() == "":
            return None
        assert output.read_text() == "changed=true\n"
        printed = run(["bash", "-e", "-c", second], cwd=clone, expect=expect, RUNNER_TEMP=str(work))
        return printed if expect else run(["git", "show", "--name-only", "--format=%s", "bump"], cwd=there).split("\n")

    return act


def test_bump_pushes_what_changed(bumped):
    def change(work):
        (work / "cookiecutter.json").write_text("2\n")
        (work / "requirements.lock").write_text("2\n")

    assert bumped(change) == ["Newest releases", "", "cookiecutter.json", "requirements.lock", ""]


def test_bump_pushes_nothing_where_nothing_changed(bumped):
    assert bumped(lambda work: None) is None


@pytest.mark.parametrize("name", ["Makefile", "another.lock", "scripts/x.py", "Makefile removed", "cookiecutter link"])
def test_bump_pushes_nothing_that_it_does_not_write(bumped, name):
    """A release that changes the repository while it runs does not get into a branch that people merge."""

    def change(work):
        (work / "cookiecutter.json").write_text("2\n")
        if name == "Makefile removed":
            (work / "Makefile").unlink()
        elif name == "cookiecutter link":
            (work / "cookiecutter.json").unlink()
            (work / "cookiecutter.json").symlink_to("/etc/passwd")
        else:
            (work / name).parent.mkdir(exist_ok=True)
            (work / name).write_text("2\n")
            run(["git", "add", "--intent-to-add", name], cwd=work)

    assert "::error::The patch " in bumped(change, expect=1)


@pytest.fixture
def clone(tmp_path):
    """Return a copy of what git knows of the template, in one commit, with this environment as its .venv."""
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
    run(["git", "commit", "--quiet", "--message", "As it is"], cwd=copy)
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


def test_the_changelog_has_what_comes_next_and_what_was():
    """It has been lost in a merge before. Right after a release, nothing comes next."""
    text = (TEMPLATE / "CHANGELOG.md").read_text()
    assert section(text, "Unreleased") or section(text, VERSION)
    assert section(text, "1.0.0")


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
