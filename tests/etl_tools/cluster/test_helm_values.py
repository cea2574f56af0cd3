"""helm/values.yaml for every combination of answers: valid for the chart, rendered by Helm, valid for Kubernetes."""

import base64
import configparser
import itertools
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import jsonschema
import pytest
import yaml
from cookiecutter.generate import generate_context
from cookiecutter.prompt import prompt_for_config
from cookiecutter.utils import create_env_with_context
from jinja2 import FileSystemLoader

from tests.conftest import PROJECT_FOLDER, QUESTIONS, TEMPLATE, secret_manifests
from tests.etl_tools.cluster import helm_chart

DATA_ROOTS = [
    "file:///opt/airflow/data",
    "s3://bucket/etl",
    "gs://bucket/etl",
    "abfs://container@account.dfs.core.windows.net/etl",
]
ASKED = {name: QUESTIONS[name] for name in ("git_access", "dag_delivery", "executor")} | {
    "expose": ["port-forward", "nodeport", "airflow.example.com"],
    "data_root": DATA_ROOTS,
}
# What decides which containers there are. The other answers vary inside each of these groups.
GROUPS = list(itertools.product(*(ASKED[name] for name in ("git_access", "dag_delivery", "executor"))))
SLUG = "quakes"
TASK_PODS = {"CeleryExecutor": "worker", "KubernetesExecutor": "task-pod", "LocalExecutor": "scheduler"}
# Facts of the chart: which pods get a checkout of the DAGs. Elsewhere in a release no DAG file is opened.
SYNCED_PODS = {
    "CeleryExecutor": {"dag-processor", "worker", "triggerer"},
    "KubernetesExecutor": {"dag-processor", "task-pod", "triggerer"},
    "LocalExecutor": {"dag-processor", "scheduler", "triggerer"},
}
REPOSITORIES = {
    "ssh-deploy-key": "git@github.com:acme/quakes.git",
    "https-token": "https://github.com/acme/quakes.git",
    "github-app": "https://github.com/acme/quakes.git",
    "public": "https://github.com/acme/quakes.git",
}


GITHUB_APP = {
    "APPLICATION_ID": "app-id",
    "INSTALLATION_ID": "installation-id",
    "PRIVATE_KEY": "private-key",
}


def combinations(**fixed):
    """Return every combination of the answers that values.yaml depends on, some of them fixed."""
    choices = {name: [fixed[name]] if name in fixed else values for name, values in ASKED.items()}
    return [dict(zip(choices, answers, strict=True)) for answers in itertools.product(*choices.values())]


def complete(answers):
    """Return the answers with the rest of what a bake of them is given."""
    fixed = {"project_slug": SLUG, "namespace": "etl", "git_branch": "stable", "dags_subpath": "airflow/dags"}
    return fixed | {"git_repo": REPOSITORIES[answers["git_access"]]} | answers


class Renderer:
    """Renders single files of the template, as cookiecutter does but without the rest of the project."""

    def __init__(self):
        self._contexts = {}
        self._environment = create_env_with_context({"cookiecutter": QUESTIONS})
        self._environment.loader = FileSystemLoader([str(PROJECT_FOLDER), str(TEMPLATE / "templates")])
        self._lock = threading.Lock()

    def __call__(self, name, **answers):
        answers = complete(answers)
        with self._lock:
            key = answers["data_root"], answers["git_repo"]
            if key not in self._contexts:
                given = {"data_root": key[0], "git_repo": key[1]}
                context = generate_context(str(TEMPLATE / "cookiecutter.json"), extra_context=given)
                self._contexts[key] = prompt_for_config(context, no_input=True)
            return self._environment.get_template(name).render(cookiecutter=self._contexts[key] | answers)


@pytest.fixture(scope="session")
def render_file():
    """Return a function: file of the project, answers → its text."""
    return Renderer()


@pytest.fixture(scope="session")
def values_text(render_file):
    """Return a function: answers → the text of helm/values.yaml."""
    return lambda **answers: render_file("helm/values.yaml", **answers)


def env_of(container):
    return {entry["name"]: entry.get("value") for entry in container.get("env", [])}


def containers(spec):
    return [*(spec.get("initContainers") or []), *spec["containers"]]


@pytest.mark.parametrize("executor", ASKED["executor"])
def test_a_bake_writes_the_values_that_are_tested_here(bake, values_text, executor):
    answers = combinations(executor=executor)[0]
    project = bake(**complete(answers))
    assert (project / "helm" / "values.yaml").read_text(encoding="utf-8") == values_text(**answers)


def test_every_combination_fits_the_chart_s_schema(values_text):
    matrix = combinations()
    assert len(matrix) == 288
    errors = [(answers, helm_chart.schema_errors(yaml.safe_load(values_text(**answers)))) for answers in matrix]
    assert [(answers, found) for answers, found in errors if found] == []


@pytest.mark.parametrize("dag_delivery", ASKED["dag_delivery"])
def test_what_grows_with_the_dags_has_a_limit(values_text, dag_delivery):
    """benchmarks/sizes.py says what 1,000 DAGs take; a pod that takes a node's memory takes others with it."""
    values = yaml.safe_load(values_text(**combinations(dag_delivery=dag_delivery)[0]))
    for name in ("apiServer", "dagProcessor"):
        assert values[name]["resources"] == {
            "requests": {"cpu": "100m", "memory": "384Mi"},
            "limits": {"memory": "1Gi"},
        }


def test_the_schema_check_sees_wrong_values(values_text):
    values = yaml.safe_load(values_text(**combinations()[0]))
    values["dags"]["gitSync"]["periods"] = values["dags"]["gitSync"].pop("period")
    values["webserver"] = {"replicas": 1}
    found = helm_chart.schema_errors(values)
    assert len(found) == 2
    assert found[0].startswith("webserver: ")
    assert "periods" in found[1]


@pytest.mark.parametrize(
    ("host", "api"),
    [
        ("github.com", None),
        ("acme.ghe.com", "https://api.acme.ghe.com/"),
        ("git.example.com", "https://git.example.com/api/v3/"),
        ("git.example.com:8443", "https://git.example.com:8443/api/v3/"),
    ],
)
def test_git_sync_knows_the_api_of_github_enterprise(values_text, host, api):
    answers = {"git_access": "github-app", "git_repo": f"https://{host}/acme/quakes.git", "data_root": DATA_ROOTS[0]}
    values = yaml.safe_load(values_text(**answers))
    assert helm_chart.schema_errors(values) == []
    env = {entry["name"]: entry.get("value") for entry in values["dags"]["gitSync"]["env"]}
    assert env.get("GITSYNC_GITHUB_BASE_URL") == api


@pytest.mark.parametrize("answers", combinations(expose="port-forward"), ids=str)
def test_git_sync_follows_the_branch_and_nothing_else(values_text, answers):
    values = yaml.safe_load(values_text(**answers))
    sync = values.get("dags", {}).get("gitSync", {})
    assert bool(sync) == (answers["dag_delivery"] == "git-sync")
    if sync:
        assert (sync["ref"], sync["branch"], sync["rev"]) == ("stable", "", "")
        assert isinstance(sync["period"], str)
        assert sync["subPath"] == "airflow/dags"


# Each case renders the chart up to 24 times.
@pytest.mark.chart
@pytest.mark.parametrize(("git_access", "dag_delivery", "executor"), GROUPS)
def test_every_combination_renders_what_the_answers_ask_for(bake, values_text, git_access, dag_delivery, executor):
    helm_chart.chart()
    group = {"git_access": git_access, "dag_delivery": dag_delivery, "executor": executor}
    secrets = Secrets(bake(**complete(combinations(**group)[0])))
    # Answers that give equal values (comments aside) are rendered once.
    matrix = {}
    for answers in combinations(**group):
        values = yaml.safe_load(values_text(**answers))
        matrix.setdefault(json.dumps(values, sort_keys=True), (answers, values))
    # Helm renders outside Python's lock, so two threads use two cores.
    with ThreadPoolExecutor(2) as pool:
        rendered = list(pool.map(lambda case: helm_chart.render(case[1], "etl"), matrix.values()))
    seen = set()
    for (answers, values), texts in zip(matrix.values(), rendered, strict=True):
        release = Release(answers, values, texts)
        release.check(secrets)
        seen |= {json.dumps(item, sort_keys=True) for item in release.objects}
    objects = [json.loads(text) for text in seen]
    versions = helm_chart.kubernetes_versions("1.30")
    assert versions[:8] == ["1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37"]
    assert [
        error for item in objects for version in versions for error in helm_chart.kubernetes_errors(item, version)
    ] == []


@pytest.mark.chart
@pytest.mark.parametrize("executor", ASKED["executor"])
def test_a_task_may_start_a_pod(values_text, executor):
    """What docs/packages.md says of the chart: whoever runs tasks may make pods, read their logs and delete them."""
    objects = helm_chart.objects(helm_chart.render(yaml.safe_load(values_text(**combinations(executor=executor)[0]))))
    by_kind = {kind: [item for item in objects if item["kind"] == kind] for kind in ("Role", "RoleBinding")}
    (binding,) = [item for item in by_kind["RoleBinding"] if "pod-launcher" in item["metadata"]["name"]]
    (role,) = [item for item in by_kind["Role"] if item["metadata"]["name"] == binding["roleRef"]["name"]]
    runs_tasks = "airflow-scheduler" if executor == "LocalExecutor" else "airflow-worker"
    assert runs_tasks in {subject["name"] for subject in binding["subjects"]}
    allowed = {(what, verb) for rule in role["rules"] for what in rule["resources"] for verb in rule["verbs"]}
    assert allowed >= {("pods", "create"), ("pods", "delete"), ("pods/log", "get")}


@pytest.mark.chart
@pytest.mark.parametrize("executor", ASKED["executor"])
def test_two_renders_are_equal_to_the_byte(values_text, executor):
    values = yaml.safe_load(values_text(**combinations(executor=executor)[0]))
    assert helm_chart.render(values) == helm_chart.render(values)


def test_the_kubernetes_check_sees_a_wrong_object():
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"porst": []}}
    assert len(helm_chart.kubernetes_errors(service, "1.34")) == 1


@pytest.mark.parametrize("executor", ASKED["executor"])
def test_the_data_volume_is_one_that_all_task_pods_can_mount(bake, executor):
    answers = {"git_access": "public", "executor": executor, "data_root": DATA_ROOTS[0]}
    project = bake(**complete(answers))
    claim = yaml.safe_load((project / "helm" / "data-volume.yaml").read_text(encoding="utf-8"))
    assert (claim["kind"], claim["metadata"]) == ("PersistentVolumeClaim", {"name": f"{SLUG}-data"})
    # A single scheduler needs no more, and any storage class offers it.
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce" if executor == "LocalExecutor" else "ReadWriteMany"]
    assert "storageClassName" not in claim["spec"]
    versions = helm_chart.kubernetes_versions("1.30")
    assert [error for version in versions for error in helm_chart.kubernetes_errors(claim, version)] == []
    overlay = yaml.safe_load((project / "helm" / "values.production.yaml").read_text(encoding="utf-8"))
    assert overlay["scheduler"]["replicas"] == (1 if executor == "LocalExecutor" else 2)


def test_sparse_dirs_is_there_for_as_long_as_the_stock_image_knows_it(values_text):
    """An older git provider takes no such word, and no bundle would load."""
    listed = (TEMPLATE / "src" / "dag_integrity" / "stock_image.txt").read_text()
    (version,) = re.findall(r"^apache-airflow-providers-git==(\S+)$", listed, re.MULTILINE)
    known = [int(part) for part in version.split(".")] >= [1, 0, 1]
    answers = next(iter(combinations(dag_delivery="git-dag-bundle")))
    assert ('"sparse_dirs"' in values_text(**answers)) == known
    assert known, "take sparse_dirs out of helm/values.yaml"


def test_only_a_file_root_has_a_volume(bake):
    assert not (
        bake(**complete({"git_access": "public", "data_root": DATA_ROOTS[1]})) / "helm" / "data-volume.yaml"
    ).exists()


class Secrets:
    """What make keys made for a project: each Secret's keys, and the values that may show up nowhere."""

    def __init__(self, project):
        known_hosts = project / "helm" / "known_hosts"
        self.known_hosts = known_hosts.read_text(encoding="utf-8") if known_hosts.exists() else None
        manifests = secret_manifests(project)
        by_name = {item["metadata"]["name"]: item for item in manifests}
        self.keys = {name: set(item["data"]) for name, item in by_name.items()}
        # Asked for at `make secrets` time and never on disk.
        token = {"GITSYNC_USERNAME", "GITSYNC_PASSWORD", "GIT_SYNC_USERNAME", "GIT_SYNC_PASSWORD", "connection"}
        self.keys.setdefault(f"{SLUG}-git-token", token)
        # Of the three files that GitHub shows; tests/etl_tools/secrets makes it of them.
        self.keys.setdefault(f"{SLUG}-github-app", {"app-id", "installation-id", "private-key", "connection"})
        decoded = (
            base64.b64decode(value)
            for item in by_name.values()
            for key, value in item["data"].items()
            if key != "known_hosts"
        )
        self.values = [value.decode() for value in decoded]
        assert len(self.values) >= 6
        assert all(len(value) > 12 for value in self.values)


class Release:
    """One rendering of the chart, and what it must hold."""

    def __init__(self, answers, values, texts):
        self.answers, self.values, self.texts = answers, values, texts
        self.objects = helm_chart.objects(texts)
        self.pods = helm_chart.pod_specs(self.objects)
        pod_template = [
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "task-pod"}, "spec": self.pods[name]}
            for name in self.pods
            if name == "task-pod"
        ]
        self.objects += pod_template
        self.config = configparser.ConfigParser(interpolation=None)
        self.config.read_string(helm_chart.config_map(self.objects, "airflow.cfg"))

    def check(self, secrets):
        self.known_hosts = secrets.known_hosts
        for check in (
            self.check_secrets,
            self.check_images,
            self.check_dags,
            self.check_data,
            self.check_logs,
            self.check_first_user,
            self.check_ui,
        ):
            try:
                check(secrets)
            except AssertionError as error:
                raise AssertionError(f"{self.answers}: {error}") from error

    def check_secrets(self, secrets):
        """None is in the release, none is rendered into it, and each that it names is one that we make."""
        assert [item["metadata"]["name"] for item in self.objects if item["kind"] == "Secret"] == []
        everything = "\n".join(self.texts.values())
        assert [value for value in secrets.values if value in everything] == []
        named = set()
        for spec in self.pods.values():
            for container in containers(spec):
                for entry in container.get("env", []):
                    reference = entry.get("valueFrom", {}).get("secretKeyRef")
                    if reference:
                        named.add((reference["name"], reference["key"]))
                for mount in container.get("volumeMounts", []):
                    for volume in spec.get("volumes", []):
                        if volume["name"] == mount["name"] and "secret" in volume:
                            named.add((volume["secret"]["secretName"], mount.get("subPath", "gitSshKey")))
        assert [(name, key) for name, key in named if key not in secrets.keys.get(name, ())] == []
        assert {name for name, _ in named} >= {
            f"{SLUG}-{what}" for what in ("fernet", "api-secret", "jwt", "metadata", "admin")
        }
        if self.answers["executor"] == "CeleryExecutor":
            assert (f"{SLUG}-broker", "connection") in named
            assert (f"{SLUG}-redis", "password") in named
        assert self.values["postgresql"]["auth"] == {"existingSecret": f"{SLUG}-postgres"}
        assert "postgres-password" in secrets.keys[f"{SLUG}-postgres"]

    def check_images(self, _):
        # What the chart's templates go by.
        assert self.values["airflowVersion"] == QUESTIONS["_airflow_version"]
        tag = f"apache/airflow:{QUESTIONS['_airflow_version']}-python{QUESTIONS['_python_version']}"
        images = {container["image"] for spec in self.pods.values() for container in containers(spec)}
        assert {image for image in images if image.startswith("apache/airflow")} == {tag}
        sync = {image.rpartition(":")[2] for image in images if "git-sync" in image}
        assert sync == {self.values["images"]["gitSync"]["tag"]} if "images" in self.values else not sync

    def check_dags(self, _):
        if self.answers["dag_delivery"] == "git-sync":
            self.check_git_sync()
        else:
            self.check_bundle()
        assert 5 <= self.config.getint("dag_processor", "refresh_interval") <= 20

    def check_git_sync(self):
        synced = {
            name
            for name, spec in self.pods.items()
            for container in containers(spec)
            if container["name"].startswith("git-sync")
        }
        assert synced == SYNCED_PODS[self.answers["executor"]]
        assert self.config.get("core", "dags_folder") == "/opt/airflow/dags/repo/airflow/dags"
        for name in synced:
            spec = self.pods[name]
            syncs = [container for container in containers(spec) if container["name"].startswith("git-sync")]
            assert [container["name"] for container in syncs] == (
                ["git-sync-init"] if name == "task-pod" else ["git-sync-init", "git-sync"]
            )
            for container in syncs:
                self.check_sync_container(spec, container)

    def check_sync_container(self, spec, container):
        env = env_of(container)
        assert env["GITSYNC_REPO"] == REPOSITORIES[self.answers["git_access"]]
        assert env["GITSYNC_REF"] == "stable"
        assert (env["GIT_SYNC_BRANCH"], env["GIT_SYNC_REV"]) == ("", "")
        assert env["GITSYNC_PERIOD"] == "30s"
        assert int(env["GITSYNC_MAX_FAILURES"]) > 0
        mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        if container["name"] == "git-sync":
            assert container["livenessProbe"]["httpGet"]["port"] == 1234
            assert container["resources"]["limits"]
        if self.answers["git_access"] == "ssh-deploy-key":
            assert env["GITSYNC_SSH_KNOWN_HOSTS"] == "true"
            key, known_hosts = mounts[env["GITSYNC_SSH_KEY_FILE"]], mounts[env["GITSYNC_SSH_KNOWN_HOSTS_FILE"]]
            assert (key["subPath"], key["readOnly"]) == ("gitSshKey", True)
            # Readable by the pod's group, which git-sync's own user is in, and by nobody else.
            assert volumes[key["name"]]["secret"] == {"secretName": f"{SLUG}-git-ssh", "defaultMode": 0o440}
            assert spec["securityContext"]["fsGroup"] == 0
            assert volumes[known_hosts["name"]]["configMap"]
            assert known_hosts["subPath"] == "known_hosts"
            assert "github.com ssh-ed25519 " in self.known_hosts
            assert helm_chart.config_map(self.objects, "known_hosts").strip() == self.known_hosts.strip()
        else:
            assert not any("SSH" in name for name in env)
            token = {name for name in env if name.endswith(("USERNAME", "PASSWORD"))}
            assert len(token) == (4 if self.answers["git_access"] == "https-token" else 0)
            # The names that git-sync reads. It refuses an App beside a user or a password.
            app = {entry["name"]: entry for entry in container["env"] if "GITHUB" in entry["name"]}
            assert {name: entry["valueFrom"]["secretKeyRef"] for name, entry in app.items()} == (
                {
                    f"GITSYNC_GITHUB_APP_{name}": {"name": f"{SLUG}-github-app", "key": key}
                    for name, key in GITHUB_APP.items()
                }
                if self.answers["git_access"] == "github-app"
                else {}
            )

    def check_bundle(self):
        names = {container["name"] for spec in self.pods.values() for container in containers(spec)}
        assert not any(name.startswith("git-sync") for name in names)
        (bundle,) = json.loads(self.config.get("dag_processor", "dag_bundle_config_list"))
        wanted = {
            "repo_url": REPOSITORIES[self.answers["git_access"]],
            "tracking_ref": "stable",
            "subdir": "airflow/dags",
            "sparse_dirs": ["airflow/dags"],
            "refresh_interval": 30,
        }
        if self.answers["git_access"] != "public":
            wanted["git_conn_id"] = "git_dags"
        assert bundle == {"name": SLUG, "classpath": "airflow.providers.git.bundles.git.GitDagBundle", "kwargs": wanted}
        for name in ("dag-processor", TASK_PODS[self.answers["executor"]]):
            spec = self.pods[name]
            main = next(container for container in spec["containers"] if container["name"] in (name, "base"))
            connection = [entry for entry in main["env"] if entry["name"] == "AIRFLOW_CONN_GIT_DAGS"]
            if self.answers["git_access"] == "public":
                assert connection == []
            elif self.answers["git_access"] in ("https-token", "github-app"):
                secret = "git-token" if self.answers["git_access"] == "https-token" else "github-app"
                assert [entry["valueFrom"]["secretKeyRef"] for entry in connection] == [
                    {"name": f"{SLUG}-{secret}", "key": "connection"}
                ]
            else:
                extra = json.loads(connection[0]["value"])["extra"]
                assert extra["strict_host_key_checking"] == "yes"
                mount = next(mount for mount in main["volumeMounts"] if mount["name"] == "git-ssh")
                assert {extra["key_file"], extra["known_hosts_file"]} == {
                    f"{mount['mountPath']}/gitSshKey",
                    f"{mount['mountPath']}/known_hosts",
                }
                volume = next(volume for volume in spec["volumes"] if volume["name"] == "git-ssh")
                assert volume["secret"] == {"secretName": f"{SLUG}-git-ssh", "defaultMode": 0o440}

    def check_data(self, _):
        """The DAGs see the same data_root wherever they are parsed or run; a folder is one volume for all tasks."""
        root = self.answers["data_root"]
        for name in ("dag-processor", TASK_PODS[self.answers["executor"]]):
            main = next(container for container in self.pods[name]["containers"] if container["name"] in (name, "base"))
            env = env_of(main)
            if root.startswith("abfs:"):
                assert (env["ETL_DATA_ROOT"], env["AZURE_STORAGE_ACCOUNT_NAME"]) == ("abfs://container/etl", "account")
            else:
                assert env["ETL_DATA_ROOT"] == root
            assert env["ETL_SOURCE"] == "usgs"
            sources = [source["secretRef"] for source in main.get("envFrom") or []]
            assert sources == [{"name": f"{SLUG}-connections", "optional": True}]
        claims = {
            name: [
                (volume["name"], mount["mountPath"])
                for volume in spec["volumes"]
                for mount in spec["containers"][0]["volumeMounts"]
                if volume.get("persistentVolumeClaim", {}).get("claimName") == f"{SLUG}-data"
                and mount["name"] == volume["name"]
            ]
            for name, spec in self.pods.items()
            if "volumes" in spec
        }
        mounted = {name: found for name, found in claims.items() if found}
        wanted = (
            {TASK_PODS[self.answers["executor"]]: [("data", "/opt/airflow/data")]} if root.startswith("file:") else {}
        )
        assert mounted == wanted

    def check_logs(self, _):
        """No log is only in a pod that goes away: it is on a volume, or in the bucket."""
        if self.answers["data_root"].startswith(("s3:", "gs:")):
            assert self.config.getboolean("logging", "remote_logging")
            assert self.config.get("logging", "remote_base_log_folder") == f"{self.answers['data_root']}/logs"
            return
        assert not self.config.getboolean("logging", "remote_logging")
        if self.answers["executor"] == "KubernetesExecutor":
            for name in ("task-pod", "api-server", "scheduler"):
                logs = next(volume for volume in self.pods[name]["volumes"] if volume["name"] == "logs")
                assert logs["persistentVolumeClaim"] == {"claimName": "airflow-logs"}
            (claim,) = [item for item in self.objects if item["kind"] == "PersistentVolumeClaim"]
            assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
            assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
        else:
            component = TASK_PODS[self.answers["executor"]]
            (owner,) = [
                item
                for item in self.objects
                if item["kind"] == "StatefulSet" and item["metadata"]["labels"]["component"] == component
            ]
            (claim,) = owner["spec"]["volumeClaimTemplates"]
            assert (claim["metadata"]["name"], claim["spec"]["resources"]["requests"]["storage"]) == ("logs", "5Gi")

    def check_first_user(self, _):
        (container,) = self.pods["create-user-job"]["containers"]
        # The chart's own arguments end with the password admin.
        assert container["args"] == self.values["createUserJob"]["args"]
        assert container["args"][-1].count('--password "$ADMIN_PASSWORD"') == 2
        (password,) = [entry["valueFrom"] for entry in container["env"] if entry["name"] == "ADMIN_PASSWORD"]
        assert password["secretKeyRef"] == {"name": f"{SLUG}-admin", "key": "password"}

    def check_ui(self, _):
        (service,) = [
            item["spec"]
            for item in self.objects
            if item["kind"] == "Service" and item["metadata"]["name"] == "airflow-api-server"
        ]
        ingresses = [item["spec"] for item in self.objects if item["kind"] == "Ingress"]
        if self.answers["expose"] == "nodeport":
            assert (service["type"], service["ports"][0]["nodePort"]) == ("NodePort", 30080)
        else:
            assert service["type"] == "ClusterIP"
        if "." in self.answers["expose"]:
            (ingress,) = ingresses
            assert [rule["host"] for rule in ingress["rules"]] == [self.answers["expose"]]
            # None: the cluster's default class.
            assert ingress.get("ingressClassName") is None
            assert self.config.get("api", "base_url") == f"http://{self.answers['expose']}"
        else:
            assert ingresses == []


def overlaid(values, overlay):
    """Return values with an overlay laid over them, as Helm does with a second --values."""
    merged = dict(values)
    for key, value in overlay.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = overlaid(merged[key], value) if both else value
    return merged


@pytest.fixture
def production(values_text, render_file):
    """Return a function: answers → values.yaml under values.production.yaml."""

    def values(**answers):
        base = yaml.safe_load(values_text(**answers))
        return overlaid(base, yaml.safe_load(render_file("helm/values.production.yaml", **answers)))

    return values


def test_the_production_overlay_fits_the_chart_s_schema(production):
    matrix = combinations(dag_delivery="git-sync")
    errors = [(answers, helm_chart.schema_errors(production(**answers))) for answers in matrix]
    assert [(answers, found) for answers, found in errors if found] == []


def test_values_that_nobody_has_compared_with_the_chart_are_wrong():
    """Where there is no chart, by the shape of those that were."""
    shape = helm_chart.merged(helm_chart.merged(None, {"a": [{"b": 1}], "c": {"d": "x"}}), {"a": [{"e": None}]})
    validator = jsonschema.Draft202012Validator(shape | {"additionalProperties": False})
    assert not list(validator.iter_errors({"a": [{"b": 2, "e": None}, {}], "c": {}}))
    for wrong in ({"f": 1}, {"a": [{"d": 1}]}, {"a": {}}, {"c": {"d": 1}}, {"a": [{"b": True}]}):
        assert len(list(validator.iter_errors(wrong))) == 1


@pytest.mark.chart
@pytest.mark.parametrize("data_root", DATA_ROOTS, ids=lambda root: root.split(":")[0])
@pytest.mark.parametrize("executor", ASKED["executor"])
def test_the_production_overlay_renders_what_it_says(production, executor, data_root):
    answers = {"git_access": "ssh-deploy-key", "dag_delivery": "git-sync"}
    texts = helm_chart.render(
        production(**answers, executor=executor, data_root=data_root, expose="airflow.example.com"), "etl"
    )
    objects = helm_chart.objects(texts)
    assert [error for item in objects for error in helm_chart.kubernetes_errors(item, "1.30")] == []
    assert [error for item in objects for error in helm_chart.kubernetes_errors(item, "1.37")] == []
    named = {(item["kind"], item["metadata"]["name"]) for item in objects}
    assert not [name for kind, name in named if kind == "Secret"]
    assert named >= {
        ("Deployment", "airflow-pgbouncer"),
        ("CronJob", "airflow-database-cleanup"),
        ("PodDisruptionBudget", "airflow-scheduler-pdb"),
        ("PodDisruptionBudget", "airflow-api-server-pdb"),
        ("NetworkPolicy", "airflow-scheduler-policy"),
    }
    assert (("ScaledObject", "airflow-worker") in named) == (executor == "CeleryExecutor")
    assert not [name for _, name in named if "postgresql" in name]
    pods = helm_chart.pod_specs(objects)
    for name in ("scheduler", "api-server", "dag-processor", "triggerer", "pgbouncer", TASK_PODS[executor]):
        main = pods[name]["containers"][0]
        assert main["resources"]["requests"]["memory"], name
        assert main["resources"]["limits"]["memory"], name
    database = {
        entry["valueFrom"]["secretKeyRef"]["name"]
        for spec in pods.values()
        for container in containers(spec)
        for entry in container.get("env", [])
        if entry["name"] in ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW_CONN_AIRFLOW_DB")
    }
    assert database == {f"{SLUG}-database"}
    for scaled in [item for item in objects if item["kind"] == "ScaledObject"]:
        assert [trigger["metadata"]["connectionFromEnv"] for trigger in scaled["spec"]["triggers"]] == ["KEDA_DB_CONN"]
        (own,) = [entry for entry in pods["worker"]["containers"][0]["env"] if entry["name"] == "KEDA_DB_CONN"]
        assert own["valueFrom"]["secretKeyRef"] == {"name": f"{SLUG}-database", "key": "kedaConnection"}
    config = configparser.ConfigParser(interpolation=None)
    config.read_string(helm_chart.config_map(objects, "airflow.cfg"))
    assert config.getboolean("logging", "remote_logging")
    folder = {
        "file": "s3://FILL-IN/logs",
        "s3": "s3://bucket/etl/logs",
        "gs": "gs://bucket/etl/logs",
        "abfs": "wasb://quakes",
    }
    assert config.get("logging", "remote_base_log_folder") == folder[data_root.split(":")[0]]
    jobs = [item for item in objects if item["kind"] == "Job"]
    assert len(jobs) == 2
    assert not [job for job in jobs if any(key.startswith("helm.sh/hook") for key in job["metadata"]["annotations"])]
