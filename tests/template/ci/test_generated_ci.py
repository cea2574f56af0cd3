"""The CI files of a baked project: read, held against the Makefile, and run for real, green and red."""

import json
import os
import re
import shutil
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from tests.conftest import QUESTIONS, run, with_tools
from tests.etl_tools.cluster import helm_chart
from tests.etl_tools.in_process import evaluate

BIN = Path(sys.executable).parent
GITHUB = ".github/workflows/ci.yml"
IMAGE = ".github/workflows/image.yml"
GITLAB = ".gitlab-ci.yml"
BROKEN_DAG = "import no_such_module\nfrom airflow.sdk import dag\n\n\n@dag\ndef broken():\n    no_such_module.work()\n"


def load(project, name):
    """Return a YAML file of the project."""
    return yaml.safe_load((project / name).read_text())


def targets(project):
    """Return the Makefile's targets."""
    return set(re.findall(r"^\.PHONY: (\S+)$", (project / "Makefile").read_text(), re.MULTILINE))


def test_github_runs_targets_of_the_makefile_only(bake):
    project = bake(ci="github")
    steps = load(project, GITHUB)["jobs"]["check"]["steps"]
    commands = [step["run"] for step in steps if "run" in step]
    assert {"make install", "make lint", "make secret-scan", "make doctor OFFLINE=1", "make test"} <= set(commands)
    assert {command.removeprefix("make ").split()[0] for command in commands} <= targets(project)


def test_github_takes_little_and_ends(bake):
    workflow = load(bake(ci="github"), GITHUB)
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["cancel-in-progress"] is True
    assert workflow["jobs"]["check"]["timeout-minutes"] <= 30
    assert workflow[True] == {"push": {"branches": ["main"]}, "pull_request": None}


def test_github_actions_are_pinned_by_commit(bake):
    text = (bake() / GITHUB).read_text() + (bake() / IMAGE).read_text()
    lines = {line.split("uses:")[1].strip() for line in text.splitlines() if "uses:" in line}
    assert lines == {value for name, value in QUESTIONS.items() if name.startswith("_action_")}
    for line in lines:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)


def test_auditors_find_nothing(bake, tmp_path):
    github, gitlab = bake(ci="github"), bake(ci="gitlab")
    # Without colours, which CI may ask for.
    run([BIN / "zizmor", "--offline", "--quiet", "--persona=pedantic", "--color=never", "."], cwd=github)
    schema = [BIN / "check-jsonschema", "--builtin-schema"]
    run([*schema, "vendor.github-workflows", GITHUB, IMAGE], cwd=github)
    (tmp_path / "Dockerfile").write_text(evaluate(github, "local.packages", lambda packages: packages.dockerfile()))
    run([BIN / "hadolint", "Dockerfile"], cwd=tmp_path)
    run([*schema, "vendor.gitlab-ci", GITLAB], cwd=gitlab)
    for project in (github, gitlab):
        run([*schema, "vendor.renovate", "renovate.json"], cwd=project)


def gitlab_jobs(project):
    """Return GitLab's jobs with what they extend merged in: name → job."""
    pipeline = load(project, GITLAB)
    jobs = {name: job for name, job in pipeline.items() if isinstance(job, dict) and "script" in job}

    def merged(job):
        names = job.get("extends", [])
        above = [merged(pipeline[name]) for name in ([names] if isinstance(names, str) else names)]
        return {key: value for one in [*above, job] for key, value in one.items()}

    return {name: merged(job) for name, job in jobs.items()}


def lines_of(job):
    """Return the commands of a GitLab job in their order."""
    return [*job.get("before_script", []), *job["script"]]


def test_gitlab_runs_targets_of_the_makefile_only(bake):
    project = bake(ci="gitlab")
    jobs = gitlab_jobs(project)
    # Brings a tool; the jobs that check something run the Makefile's own commands.
    del jobs["helm"], jobs["image-name"], jobs["pods-image"]
    lines = {line for job in jobs.values() for line in lines_of(job)}
    assert {"make install", "make lint", "make secret-scan", "make doctor OFFLINE=1", "make test"} <= lines
    assert {line.removeprefix("make ").split()[0] for line in lines} <= targets(project)


def test_gitlab_cancels_and_ends(bake):
    pipeline = load(bake(ci="gitlab"), GITLAB)
    assert pipeline["workflow"]["auto_cancel"] == {"on_new_commit": "interruptible"}
    assert pipeline["default"]["interruptible"] is True
    assert pipeline["default"]["timeout"] == "20 minutes"


def test_makefile_is_sound_shell(bake, tmp_path):
    for answers in ({}, {"ci": "gitlab", "git_access": "https-token"}):
        project = bake(**answers)
        for target in sorted(targets(project)):
            made = ["-o", ".venv/.installed", "-o", ".tools/bin/uv"]
            variables = ["NAME=orders", "DAG=orders", "DATE=2018-02-01", "OFFLINE=1"]
            lines = run(["make", "--dry-run", *made, target, *variables], cwd=project).splitlines()
            # Make's own words about a target that has no command.
            script = [line for line in lines if not line.startswith("make: ")]
            (tmp_path / "recipe.sh").write_text("\n".join(script) + "\n")
            run([BIN / "shellcheck", "--shell=bash", tmp_path / "recipe.sh"], cwd=project)


def test_renovate_sees_every_pin(bake):
    """The patterns are JavaScript's; of what they use, Python differs in how groups are named only."""
    for ci in ("github", "gitlab", "none"):
        project = bake(ci=ci)
        configuration = json.loads((project / "renovate.json").read_text())
        seen = {}
        for manager in configuration["customManagers"]:
            (file,) = [name.strip("/^$").replace("\\", "") for name in manager["managerFilePatterns"]]
            for pattern in manager["matchStrings"]:
                (found,) = re.findall(pattern.replace("(?<", "(?P<"), (project / file).read_text())
                seen.setdefault(manager["depNameTemplate"], set()).add(found)
        assert seen == {
            "apache-airflow": {QUESTIONS["_airflow_version"]},
            "airflow": {QUESTIONS["_chart_version"]},
            "uv": {QUESTIONS["_uv_version"]},
            "kubernetes/git-sync": {QUESTIONS["_git_sync_version"]},
        }
        reads_ci = {"github": {"github-actions"}, "gitlab": {"gitlabci"}, "none": set()}[ci]
        always = {"custom.regex", "dockerfile", "pip-compile"}
        assert set(configuration["enabledManagers"]) == always | reads_ci


@pytest.fixture
def commit():
    """Return a function that commits all there is in a project."""

    def all_of(project):
        run(["git", "add", "--all"], cwd=project)
        run(["git", "commit", "--quiet", "--no-verify", "-m", "change"], cwd=project)

    return all_of


@pytest.fixture
def act(tmp_path):
    """Return a function: project, expected status → what GitHub's workflow prints when it is run for a push, or a PR.

    The commands run as they stand, on this machine. The actions, which would be fetched, are stubs; the one that keeps
    the report insists on its file.
    """

    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"base": {"ref": "main"}, "head": {"ref": "main"}}}))

    def push(project, expect, kind="push"):
        workflow = (project / GITHUB).read_text()
        stubs = []
        for action in set(re.findall(r"uses: (\S+)", workflow)):
            stub = tmp_path / "stubs" / action.split("@")[0]
            stub.mkdir(parents=True, exist_ok=True)
            command = 'test -s "$REPORT" && cp "$REPORT" "$KEPT"' if "upload" in action else "true"
            step = {
                "shell": "bash",
                "run": command,
                "env": {"REPORT": "${{ inputs.path }}", "KEPT": str(tmp_path / "kept.xml")},
            }
            stub_action = {"name": "stub", "inputs": {"path": {}}, "runs": {"using": "composite", "steps": [step]}}
            (stub / "action.yml").write_text(yaml.safe_dump(stub_action))
            stubs += ["--local-repository", f"{action}={stub}"]
        options = ["--no-cache-server", "--action-cache-path", str(tmp_path / "act")]
        return run(
            [
                BIN / "act",
                kind,
                "--eventpath",
                event,
                "-W",
                GITHUB,
                "-P",
                "ubuntu-latest=-self-hosted",
                *options,
                *stubs,
            ],
            cwd=project,
            expect=expect,
            XDG_CONFIG_HOME=str(tmp_path / "config"),
            XDG_CACHE_HOME=str(tmp_path / "act"),
        )

    return push


def steps_that(outcome, output):
    """Return the steps of act's output that ended so: ✅ or ❌."""
    return set(re.findall(rf"{outcome}.*? Main (.+?) \[", output))


@pytest.mark.airflow
def test_github_workflow_is_green(bake_fresh, commit, act, tmp_path):
    project = bake_fresh(ci="github", git_repo="git@github.com:acme/my-etl.git")
    commit(project)
    output = act(project, expect=0, kind="pull_request")
    names = {step["name"] for step in load(project, GITHUB)["jobs"]["check"]["steps"]}
    assert names <= steps_that("✅", output)
    suite = ElementTree.parse(tmp_path / "kept.xml").getroot().find("testsuite")
    assert int(suite.get("tests")) > 0
    assert (suite.get("failures"), suite.get("errors")) == ("0", "0")


def test_the_first_push_lacks_one_thing_which_is_one_line(bake_fresh, commit):
    """Whoever took the default address reads on the page of the run what to do."""
    project = with_tools(bake_fresh(ci="github"))
    commit(project)
    printed = run(["make", "doctor", "OFFLINE=1"], cwd=project, expect=2, GITHUB_ACTIONS="true")
    (line,) = re.findall(r"^::error .*", printed, re.M)
    assert line.startswith("::error title=make doctor::git_repo: still the placeholder git@github.com:your-org/")
    assert "%0Acorrect it in pyproject.toml, and the address in helm/values.yaml" in line
    assert "To fix: 1, " in printed


@pytest.fixture
def faulty(bake_fresh, commit):
    """Return a function: answers → a project with a broken DAG, a fault of style and a secret, all committed."""

    def project_with(**answers):
        project = bake_fresh(**answers)
        (project / "dags" / "broken.py").write_text(BROKEN_DAG)
        (project / "tests" / "odd.py").write_text("print(undefined)\n")
        only_integrity_tests(project)
        run(["git", "add", "--force", "secrets/fernet_key"], cwd=project)
        commit(project)
        return project

    return project_with


@pytest.mark.airflow
def test_github_workflow_is_red_for_each_fault(faulty, act):
    output = act(faulty(ci="github"), expect=1)
    assert steps_that("❌", output) == {
        "No secret in any commit",
        "Values, known hosts and DAG files, as far as they can be seen from here",
        "Style",
        "DAG integrity, ETL and Helm values",
    }
    assert re.search(r" secrets/fernet_key: secrets/ must not be in git", output)
    assert re.search(r"::error .*file=\S*tests/odd\.py,line=1", output), "no annotation on the line"
    assert re.search(r"::error .*file=dags/broken\.py,line=1", output), "no annotation on the line"
    assert "no_such_module" in output


def run_gitlab_job(project, name, folder, expect, venv=None):
    """Run a job's lines in a fresh clone, as GitLab's runner does; return the output and the clone.

    With a venv, that is what `make install` finds; without, it makes one.
    """
    pipeline, jobs = load(project, GITLAB), gitlab_jobs(project)
    job, clone = jobs[name], folder / name
    run(["git", "clone", "--quiet", project, clone], cwd=folder)
    if venv:
        (clone / ".venv").symlink_to(venv)
        os.utime(clone / "requirements.lock", (0, 0))  # older than what was installed
    for needed in job.get("needs", []):
        for path in jobs[needed]["artifacts"]["paths"]:
            (clone / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / needed / path, clone / path)
    variables = {**pipeline["variables"], **job.get("variables", {}), "CI": "true", "GITLAB_CI": "true"}
    script = "\n".join(["set -eo pipefail", *lines_of(job)])
    environment = {key: str(value) for key, value in variables.items()}
    if "helm" in job.get("image", {}).get("name", ""):
        # What that image brings.
        environment["PATH"] = f"{helm_chart.tools()}:{os.environ['PATH']}"
    output = run(["bash", "-c", script], cwd=clone, expect=expect, CI_PROJECT_DIR=str(clone), **environment)
    return output, clone


def only_integrity_tests(project):
    """Remove a project's tests but for those of the DAG folder: the others have had their say in GitHub's green run."""
    for path in (project / "tests").glob("test_*.py"):
        if path.name != "test_dag_integrity.py":
            path.unlink()


@pytest.mark.airflow
def test_gitlab_jobs_are_green(bake_fresh, commit, tmp_path):
    """The first of them installs Airflow, which the others then find: each begins with the same `make install`."""
    project = bake_fresh(ci="gitlab", git_repo="git@gitlab.com:acme/my-etl.git")
    only_integrity_tests(project)
    commit(project)
    jobs = gitlab_jobs(project)
    del jobs["pods-image"]  # tests/etl_tools/packages runs it
    venv = None
    for name, job in jobs.items():
        _, clone = run_gitlab_job(project, name, tmp_path, expect=0, venv=venv)
        venv = venv or clone / ".venv"
        for kind, report in job.get("artifacts", {}).get("reports", {}).items():
            if kind == "junit":
                assert int(ElementTree.parse(clone / report).getroot().find("testsuite").get("tests")) > 0
            else:
                assert json.loads((clone / report).read_text()) == []
    assert "v4" in run([gitlab_jobs(project)["tests"]["variables"]["HELM"], "version"], cwd=tmp_path / "tests")


@pytest.mark.airflow
def test_gitlab_jobs_are_red_for_each_fault(faulty, installed, tmp_path):
    """Where Airflow is installed already: that the jobs install it is seen when they are green."""
    project, venv = faulty(ci="gitlab"), installed() / ".venv"
    run_gitlab_job(project, "helm", tmp_path, expect=0)
    output, clone = run_gitlab_job(project, "tests", tmp_path, expect=2, venv=venv)
    assert "dags/broken.py:1: import-error" in output
    suite = ElementTree.parse(clone / "build/junit.xml").getroot().find("testsuite")
    assert suite.get("failures") == "1"
    report = gitlab_jobs(project)["tests"]["artifacts"]["reports"]["codequality"]
    (finding,) = json.loads((clone / report).read_text())
    assert (finding["location"]["path"], finding["location"]["lines"]) == ("dags/broken.py", {"begin": 1})

    output, clone = run_gitlab_job(project, "style", tmp_path, expect=2, venv=venv)
    assert "tests/odd.py:1:7" in output
    report = gitlab_jobs(project)["style"]["artifacts"]["reports"]["codequality"]
    (finding,) = json.loads((clone / report).read_text())
    assert (finding["check_name"], finding["location"]["path"]) == ("F821", "tests/odd.py")

    output, _ = run_gitlab_job(project, "repository", tmp_path, expect=2, venv=venv)
    assert "secrets/fernet_key: secrets/ must not be in git" in output
