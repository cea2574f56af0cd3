"""Every command that the READMEs and docs/ show is run by a test: here, or by the one that is named here.

A command that nobody runs fails, and so does a name that no test has any more.
"""

import ast
import re

import pytest
import yaml

from tests.conftest import TEMPLATE, make_command, run
from tests.etl_tools.cluster.helm_chart import tools

README = TEMPLATE / "README.md"
REPOSITORY = "https://github.com/acme/my-etl.git"
# What the generated pages show depends on these answers.
ANSWERS = [
    {},
    {"git_access": "https-token", "git_repo": REPOSITORY, "dag_delivery": "git-dag-bundle", "ci": "gitlab"},
    {"git_access": "public", "git_repo": REPOSITORY, "executor": "KubernetesExecutor"},
    {"git_access": "github-app", "git_repo": REPOSITORY, "dag_delivery": "git-dag-bundle"},
]

# Whoever hosts the template puts its address here.
COOKIECUTTER = re.search(r"^cookiecutter \S+/airflow-etl-template$", README.read_text(), re.MULTILINE)[0]
JSON = "JSON='Content-Type: application/json'"
LOGIN = (
    """TOKEN=$(curl -s http://localhost:8080/auth/token -H "$JSON" -d '{"username": "admin", "password": "…"}' | """
    """python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])')"""
)
START_A_DAY = (
    """curl http://localhost:8080/api/v2/dags/extract/dagRuns -H "Authorization: Bearer $TOKEN" """
    """-H "$JSON" -d '{"logical_date": null, "partition_key": "2018-02-01"}'"""
)
BACKFILL = (
    "AIRFLOW_HOME=$PWD/.airflow .venv/bin/airflow backfill create --dag-id extract "
    "--from-date 2018-02-01 --to-date 2018-02-03"
)
# Command → file, test or fixture in it, and words by which one sees that it runs the command.
RUN_BY = {
    COOKIECUTTER: ("template/updates/test_updates.py", "test_replay_gives_the_same_project", "COOKIECUTTER"),
    "git push": ("e2e/conftest.py", "push", '"push"'),
    "make add PKG=openpyxl": ("etl_tools/packages/test_packages.py", "added", '"add", "PKG=openpyxl"'),
    "make add PKG=PyGithub": (
        "etl_tools/packages/test_packages.py",
        "test_a_bundle_is_read_as_a_github_app",
        'add(project, "PyGithub")',
    ),
    "make add PKG=apache-airflow-providers-cncf-kubernetes": (
        "etl_tools/packages/test_packages.py",
        "test_the_page_s_pod_is_one_that_airflow_starts",
        '"add", f"PKG={POD_PROVIDER}"',
    ),
    "make demo": (
        "etl_tools/local/test_project.py",
        "test_demo_runs_the_sample_and_says_where_the_data_lies",
        '"demo"',
    ),
    "kubectl -n airflow create configmap company-ca --from-file=ca.crt=company-ca.crt": (
        "etl_tools/cluster/test_git_access_page.py",
        "test_the_commands_make_what_the_values_name",
        '"bash"',
    ),
    "kubectl label namespace airflow pod-security.kubernetes.io/enforce=restricted": (
        "etl_tools/cluster/test_production_security.py",
        "test_the_page_s_label_enforces_what_is_tested_here",
        '"label"',
    ),
    "make backup": ("etl_tools/cluster/test_database.py", "", '"backup"'),
    "make restore FILE=secrets/backups/2026-01-31.dump": ("etl_tools/cluster/test_database.py", "", '"restore"'),
    "make bundle": ("etl_tools/cluster/test_bundle.py", "", '"bundle"'),
    "make keys-from-cluster": (
        "etl_tools/cluster/test_two_people.py",
        "test_two_people_deploy_in_turn",
        '"keys-from-cluster"',
    ),
    "make deploy SECRETS=external": (
        "etl_tools/cluster/test_two_people.py",
        "test_external_secrets_are_looked_at_and_never_made",
        '"deploy", "SECRETS=external"',
    ),
    "ENV=staging make keys": ("etl_tools/cluster/test_environments.py", "", '"keys", ENV="staging"'),
    "ENV=staging make deploy": ("etl_tools/cluster/test_environments.py", "", '"deploy", ENV="staging"'),
    "ENV=staging make diff": ("etl_tools/cluster/test_environments.py", "", '["diff"]'),
    "ENV=staging make status": ("etl_tools/cluster/test_environments.py", "", '["status"]'),
    "git tag v2 && git push origin v2": ("etl_tools/cluster/test_environments.py", "promoted", '"push"'),
    "ENV=production make promote TAG=v2": ("etl_tools/cluster/test_environments.py", "", 'ENV="production", TAG="v2"'),
    "ENV=production make promote TAG=v1": ("etl_tools/cluster/test_environments.py", "", 'ENV="production", TAG="v1"'),
    "tar -cf keys.tar secrets": (
        "etl_tools/cluster/test_two_people.py",
        "test_keys_go_through_a_password_manager",
        '"-cf"',
    ),
    "tar -xf keys.tar": ("etl_tools/cluster/test_two_people.py", "test_keys_go_through_a_password_manager", '"-xf"'),
    "make deploy": (
        "etl_tools/cluster/test_deploy.py",
        "test_deploy_makes_namespace_secrets_and_volume_before_the_release",
        '"deploy"',
    ),
    "make doctor": ("etl_tools/cluster/test_doctor.py", "doctor", '"doctor"'),
    "make follow": ("etl_tools/cluster/test_follow.py", "follow", '"follow"'),
    "make hooks": ("template/ci/test_precommit.py", "repository", '"hooks"'),
    "make image": ("etl_tools/packages/test_packages.py", "test_make_image_builds_and_pushes_once", '"make", "image"'),
    "make lock": ("etl_tools/packages/test_packages.py", "test_again_changes_nothing", '"make", "lock"'),
    "make known-hosts": ("etl_tools/secrets/test_known_hosts.py", "make_known_hosts", '"known-hosts"'),
    "make lint": ("etl_tools/local/test_project.py", "test_lint_passes", '"lint"'),
    "make new-dag NAME=orders": (
        "etl_tools/local/test_new_dag.py",
        "test_new_dag_passes_its_tests_and_runs",
        '"new-dag", "NAME=orders"',
    ),
    "make rotate NAME=jwt_secret": (
        "etl_tools/secrets/test_secrets.py",
        "test_a_rotated_secret_is_new_here_and_there_and_the_pods_restart",
        '"rotate"',
    ),
    "make rotate-deploy-key": ("etl_tools/secrets/test_secrets.py", "", '"rotate-deploy-key"'),
    # The demo is `make run` in a new project.
    "make run": ("etl_tools/local/test_project.py", "test_demo_runs_the_sample_and_says_where_the_data_lies", '"demo"'),
    "make run DAG=orders": (
        "etl_tools/local/test_new_dag.py",
        "test_new_dag_passes_its_tests_and_runs",
        '"run", "DAG=orders"',
    ),
    "make run DATE=2018-02-01": (
        "etl_tools/local/test_project.py",
        "test_what_an_ide_reads_is_there",
        "DATE=2018-02-01",
    ),
    # With the address of a service on this machine in place of usgs.
    "make run ETL_SOURCE=usgs DATE=2026-01-31": (
        "etl_tools/local/test_project.py",
        "test_a_day_from_a_service",
        "ETL_SOURCE=",
    ),
    "make secrets": ("etl_tools/secrets/test_secrets.py", "", '"secrets"'),
    "make data-diff": ("etl_tools/local/test_data_diff.py", "test_a_changed_clean", '"data-diff"'),
    "make test": ("etl_tools/local/test_project.py", "test_own_tests_pass", '["make", "test"]'),
    "make test DAG=orders": (
        "etl_tools/local/test_new_dag.py",
        "test_new_dag_passes_its_tests_and_runs",
        '"test", "DAG=orders"',
    ),
    "make trigger DAG=extract UNPAUSE=all": (
        "etl_tools/cluster/test_deploy.py",
        "test_trigger_queues_no_run_that_never_begins",
        '"UNPAUSE": "all"',
    ),
    "make backfill DAG=extract FROM=2018-02-01 TO=2018-02-28 CLUSTER=yes": (
        "etl_tools/cluster/test_backfill.py",
        "test_old_days_by_the_api",
        '"backfill", DAG="extract"',
    ),
    "make rebuild DAG=transform FROM=2018-02-01 TO=2018-02-28 CLUSTER=yes": (
        "etl_tools/cluster/test_backfill.py",
        "test_days_are_made_again_by_the_api",
        '"rebuild"',
    ),
    # Three lines of the README that the test takes from there, with another port and the real password.
    BACKFILL: (
        "etl_tools/local/test_project.py",
        "test_a_backfill_of_a_live_source",
        "airflow backfill create",
    ),
    JSON: ("etl_tools/local/test_project.py", "test_ui_shows_both_dags_and_ends_with_ctrl_c", "TOKEN="),
    LOGIN: ("etl_tools/local/test_project.py", "test_ui_shows_both_dags_and_ends_with_ctrl_c", "TOKEN="),
    START_A_DAY: ("etl_tools/local/test_project.py", "test_ui_shows_both_dags_and_ends_with_ctrl_c", "TOKEN="),
    "make ui": ("etl_tools/local/test_project.py", "test_ui_shows_both_dags_and_ends_with_ctrl_c", '"ui"'),
    "make ui-forward": (
        "etl_tools/cluster/test_deploy.py",
        "test_the_real_tools_without_a_cluster_get_one_line",
        '"ui-forward"',
    ),
    "pipx install 'cookiecutter>=2.7.1'": (
        "template/docs/test_commands.py",
        "test_the_cookiecutter_to_install_is_the_one_that_pyproject_asks_for",
        "pipx",
    ),
}
# Commands that need nothing installed: run here, in a new project.
RUN_HERE = ("make keys", "make secret-scan", "make doctor OFFLINE=1")
# Credentials come from a file in secrets/; the real kubectl takes the command without a cluster.
KUBECTL = {
    "kubectl -n airflow create secret generic my-etl-sso --from-file=client-secret=secrets/sso_client_secret": (
        "client-secret"
    ),
    "kubectl -n airflow create secret generic registry --type=kubernetes.io/dockerconfigjson "
    "--from-file=.dockerconfigjson=secrets/registry/config.json": ".dockerconfigjson",
}


def commands(text):
    """Return the commands of a page's bash blocks, without their comments."""
    found = []
    for block in re.findall(r"^ *```bash\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
        lines = block.replace("\\\n", " ").replace("|\n", "| ").splitlines()
        found += [" ".join(re.sub(r"(^|\s)#.*", "", line).split()) for line in lines]
    return [command for command in found if command]


@pytest.fixture(scope="module")
def shown(bake):
    """Every command of the template's README and of every page of the generated projects."""
    projects = [bake(**answers) for answers in ANSWERS]
    pages = [page for project in projects for page in [project / "README.md", *sorted(project.glob("docs/*.md"))]]
    texts = [page.read_text() for page in [README, *pages]]
    return {command for text in texts for command in commands(text)}


def test_every_command_is_run_by_a_test(shown):
    assert len(shown) > 15
    assert shown - RUN_BY.keys() - {*RUN_HERE, *KUBECTL} == set(), "no test runs these"
    assert (RUN_BY.keys() | {*RUN_HERE, *KUBECTL}) - shown == set(), "no page shows these any more"


@pytest.mark.parametrize("command", RUN_BY)
def test_the_named_test_runs_it(command):
    file, name, words = RUN_BY[command]
    source = (TEMPLATE / "tests" / file).read_text()
    if name:
        functions = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef))
        found = [ast.get_source_segment(source, node) for node in functions if node.name == name]
        # What its parameters stand for is written above it.
        decorated = source[: source.index(f"def {name}(")].rpartition("\n\n\n")[2]
        assert found, f"{file} has no {name}"
        source = decorated + "".join(found)
    assert words in source, f"{name or file} does not run {command}"


@pytest.mark.parametrize("command", RUN_HERE)
def test_it_runs_in_a_new_project(bake_fresh, command):
    project = bake_fresh(git_repo="git@github.com:acme/my-etl.git")
    run(["git", "add", "--all"], cwd=project)
    run(["git", "commit", "--quiet", "--message", "Begin"], cwd=project)
    run([*make_command(), *command.split()[1:]], cwd=project)


@pytest.mark.parametrize("command", KUBECTL)
def test_kubectl_takes_the_command(bake_fresh, command):
    project = bake_fresh()
    file = project / command.rpartition("=")[2]
    file.parent.mkdir(exist_ok=True)
    file.write_text("{}")
    kubectl, *words = command.split()
    printed = run([tools() / kubectl, *words, "--dry-run=client", "-o", "yaml"], cwd=project)
    assert yaml.safe_load(printed)["data"] == {KUBECTL[command]: "e30="}


def named_targets(text):
    """Return the make targets that a text names: `make a b VARIABLE=value` names a and b."""
    named = re.findall(r"\bmake((?: [a-z][a-z-]*\b(?!=))+)(?=[` \n,;.:)]|$)", "\n".join(re.findall(r"`[^`\n]+`", text)))
    return {target for words in named for target in words.split()}


@pytest.mark.parametrize("answers", ANSWERS, ids=["ssh", "token", "public", "app"])
def test_every_target_file_and_link_that_a_page_names_is_there(bake, answers):
    project = bake(**answers)
    targets = set(re.findall(r"^([a-z][a-z-]*):", (project / "Makefile").read_text(), re.MULTILINE))
    pages = [project / "README.md", project / "AGENTS.md", project / "vendor" / "README.md", *project.glob("docs/*.md")]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert named_targets(text) - targets == set(), page.name
        links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
        assert [link for link in links if not (page.parent / link).exists()] == [], page.name


def test_the_page_for_agents(bake):
    """At most 60 lines; the folders and files in its table are there, and each of its commands is a target."""
    project = bake()
    text = (project / "AGENTS.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 60
    rows = re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
    paths = [row for row in rows if not row.startswith("make ")]
    assert len(paths) > 5
    assert [path for path in paths if not list(project.glob(path.rstrip("/")))] == []
    assert len(rows) - len(paths) > 5


def test_the_generated_readme_is_short(bake):
    for answers in ANSWERS:
        assert len((bake(**answers) / "README.md").read_text(encoding="utf-8").splitlines()) <= 90


def test_the_cookiecutter_to_install_is_the_one_that_pyproject_asks_for(shown):
    asked = re.search(r'^    "(cookiecutter.+)",$', (TEMPLATE / "pyproject.toml").read_text(), re.MULTILINE)[1]
    assert f"pipx install '{asked}'" in shown
