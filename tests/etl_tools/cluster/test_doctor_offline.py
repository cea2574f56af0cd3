"""`make doctor OFFLINE=1`, which CI runs: nothing wrong with a project as baked, red on each mistake in helm/."""

import re
import shutil
import subprocess

import pytest

from tests.conftest import run
from tests.etl_tools.cluster.test_doctor import broken
from tests.etl_tools.in_process import etl, evaluate
from tests.etl_tools.secrets.test_known_hosts import REVOKED
from tests.template.bake.combinations import all_pairs, readable


def offline(project, expect):
    report = etl(project, "doctor", "--offline", expect=expect)
    assert "failed itself" not in report
    return report


def blocking(project):
    """Return the findings that stop a deploy."""
    return evaluate(project, "cluster.doctor.report", lambda report: report.blocking(), GIT_ALLOW_PROTOCOL="file")


def address(access):
    return "git@github.com:acme/my-etl.git" if access == "ssh-deploy-key" else "https://github.com/acme/my-etl.git"


def commit(project):
    for words in (["add", "--all"], ["commit", "--quiet", "-m", "Start"]):
        subprocess.run(["git", *words], cwd=project, check=True)
    return project


@pytest.mark.parametrize("answers", all_pairs(), ids=readable)
def test_a_project_as_baked_is_well(bake_fresh, answers):
    project = commit(bake_fresh(**answers, git_repo=address(answers["git_access"])))
    lacks = ["s3:// needs s3fs, which the image lacks"] if answers["data_root"].startswith("s3:") else []
    if (answers["git_access"], answers["dag_delivery"]) == ("github-app", "git-dag-bundle"):
        lacks.append("a GitHub App's bundle needs PyGithub, which the image lacks")
    if answers["git_access"] == "github-app":
        lacks.append("secrets/ lacks github_app.pem, github_app_id, github_installation_id")
    report = offline(project, expect=1 if lacks else 0)
    assert list(broken(report)) == lacks
    assert "\N{CHECK MARK} helm/values.yaml: repository, branch and subPath as in pyproject.toml" in report
    slow = answers["dag_delivery"] == "git-dag-bundle" and answers["executor"] == "KubernetesExecutor"
    assert ("each task's pod clones the repository's whole history" in report) == slow


def test_the_placeholder_repository_is_named(bake_fresh):
    found = broken(offline(commit(bake_fresh()), expect=1))
    (what,) = found
    assert what.startswith("git_repo: still the placeholder git@github.com:your-org/my-etl.git")


VALUES, HOSTS = "helm/values.yaml", "helm/known_hosts"


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        (VALUES, '    rev: ""\n', '    rev: "HEAD"\n', "dags.gitSync.rev is HEAD, which wins over ref"),
        (VALUES, "\napiServer:\n", "\nwebserver:\n", "webserver is of an older chart and ignored"),
        (VALUES, "-git-ssh\n", "-git-key\n", "names the Secret my-etl-git-key, key gitSshKey"),
        (VALUES, "-admin, key: password}", "-admin, key: admin-password}", "my-etl-admin, key admin-password"),
        (VALUES, "fernetKeySecretName:", "fernetKey:", "fernetKey holds a secret in the clear"),
        (VALUES, 'airflowVersion: "', 'airflowVersion: "1', "airflowVersion is 1"),
        (VALUES, 'defaultAirflowTag: "', 'defaultAirflowTag: "1', "defaultAirflowTag is 1"),
        (VALUES, "executor:", "FILL: FILL-IN\nexecutor:", "still says 'FILL: FILL-IN'"),
        (VALUES, "executor:", "executor: {", "a values file is no YAML"),
        (
            "helm/values.production.yaml",
            "\nscheduler:\n",
            "\nfernetKey: abc\nscheduler:\n",
            "holds a secret in the clear",
        ),
        (
            HOSTS,
            "github.com ssh-ed25519",
            "gitlab.com ssh-ed25519",
            "has keys of other servers, too (it names gitlab.com)",
        ),
        (HOSTS, "github.com ssh-ed25519", f"github.com {REVOKED}\ngithub.com ssh-ed25519", "is revoked"),
        (
            HOSTS,
            "github.com ssh-ed25519",
            "# one more line\ngithub.com ssh-ed25519",
            "knownHosts differs from helm/known_hosts",
        ),
    ],
    ids=lambda value: value.strip() if len(value) < 60 else "…",
)
def test_a_mistake_in_helm_is_named_and_stops_a_deploy(bake_fresh, file, old, new, words):
    project = bake_fresh(git_repo=address("ssh-deploy-key"))
    path = project / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    commit(project)
    found = broken(offline(project, expect=1))
    assert [what for what in found if words in what], found
    assert words in "\n".join(finding.what for finding in blocking(project))


def test_a_folder_without_dag_files_is_named(bake_fresh):
    project = bake_fresh(git_repo=address("ssh-deploy-key"))
    shutil.rmtree(project / "dags")
    assert "there is no Python file in dags/ here" in broken(offline(project, expect=1))


def test_of_an_image_of_somebody_else_nothing_is_known(bake_fresh):
    project = commit(bake_fresh(git_repo=address("ssh-deploy-key")))
    assert "the image has the packages that the DAGs need" in offline(project, expect=0)
    values = project / "helm" / "values.yaml"
    values.write_text(values.read_text().replace("\nimages:\n", "\nimages:\n  airflow:\n    tag: mine\n"))
    report = offline(project, expect=0)
    assert "which packages the image with the tag mine has, is not known here" in report
    assert "the image has the packages that the DAGs need" not in report


def test_what_git_does_not_say_is_not_well(bake_fresh):
    """A git that fails prints nothing, as one does that has nothing to say."""
    project = commit(bake_fresh(git_repo=address("ssh-deploy-key")))
    assert "all of them committed" in offline(project, expect=0)
    (project / ".git" / "index").write_text("garbage")
    report = offline(project, expect=0)
    assert re.search(r"dags/: \d+ Python files; whether git has them: git status: ", report)
    assert "whether git has anything of secrets/: git ls-files: " in report
    assert "all of them committed" not in report
    assert "tracks none of it" not in report
    shutil.rmtree(project / ".git")
    report = offline(project, expect=0)
    assert "all of them committed" not in report
    assert "not a git repository" in report


def test_a_part_of_the_history_is_not_the_history(bake_fresh, tmp_path):
    """As CI clones it: what an older commit had is not there."""
    project = commit(bake_fresh(git_repo=address("ssh-deploy-key")))
    run(["git", "commit", "--quiet", "--allow-empty", "-m", "More"], cwd=project)
    clone = tmp_path / "clone"
    run(["git", "clone", "--quiet", "--depth=1", f"file://{project}", clone], cwd=tmp_path)
    report = offline(clone, expect=0)
    assert "this clone has only a part of the history\n    git fetch --unshallow" in report
    assert "never did" not in report


def test_what_hurts_no_deploy_does_not_stop_it(bake_fresh):
    project = bake_fresh(git_repo=address("ssh-deploy-key"))
    (project / "secrets/jwt_secret").chmod(0o644)
    (project / "dags/new.py").write_text("")
    assert len(broken(offline(project, expect=1))) == 2
    # GitHub would refuse this key, and is not asked.
    assert blocking(project) == []


@pytest.mark.airflow
def test_code_that_no_pod_can_import_is_named(installed, tmp_path):
    """By the integrity checks, which import the files as a pod does."""
    whole = installed(git_repo=address("ssh-deploy-key"))
    project = shutil.copytree(whole, tmp_path / "project", ignore=shutil.ignore_patterns(".venv", ".airflow"))
    (project / "shared_code.py").touch()
    (project / "dags/one.py").write_text("from airflow.sdk import dag\nimport shared_code\n")
    (project / "dags/two.py").write_text("from airflow.sdk import dag\ndef broken(:\n")
    command = [whole / ".venv/bin/python", "-B", "-m", "etl_tools.cli", "doctor"]
    nowhere = {"KUBECONFIG": "/nonexistent", "HELM": "/nonexistent", "KUBECTL": "/nonexistent"}
    found = broken(run(command, cwd=project, expect=1, **nowhere))
    assert [what for what in found if what.startswith("dags/one.py:2: ") and "shared_code" in what], found
    assert [what for what in found if what.startswith("dags/two.py:2: ")], found
