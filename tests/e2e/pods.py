"""What helm/values.yaml makes of the pods: the environment of their containers, Secrets looked up, paths moved.

Rendered by Helm where the chart is at hand (AIRFLOW_CHART); elsewhere by the few rules of the chart that matter here.
A test holds the rules against the chart.
"""

import base64
import configparser
import json
import os
from pathlib import Path

import yaml

from tests.conftest import secret_manifests
from tests.etl_tools.cluster import helm_chart

# Where the chart mounts what; each becomes a folder of the test's own.
MOUNTS = ("/opt/airflow", "/etc/git-secret", "/etc/airflow-git")
# Where the chart reads the settings from that hold a secret: Secret, named by a value, and its key.
SECRETS = {
    "AIRFLOW__CORE__FERNET_KEY": ("fernetKeySecretName", "fernet-key"),
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": ("data.metadataSecretName", "connection"),
    "AIRFLOW_CONN_AIRFLOW_DB": ("data.metadataSecretName", "connection"),
    "AIRFLOW__API__SECRET_KEY": ("apiSecretKeySecretName", "api-secret-key"),
    "AIRFLOW__API_AUTH__JWT_SECRET": ("jwtSecretName", "jwt-secret"),
}
BROKER = {"AIRFLOW__CELERY__BROKER_URL": ("data.brokerUrlSecretName", "connection")}
FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
LOCAL_BUNDLE = {
    "name": "dags-folder",
    "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
    "kwargs": {},
}


def chart_at_hand():
    """Tell whether the chart can be rendered without fetching it first."""
    archive = helm_chart.CACHE / f"airflow-{helm_chart.PINS['_chart_version']}.tgz"
    return bool(os.environ.get("AIRFLOW_CHART")) or archive.exists()


def with_sparse_dirs(bundle):
    kwargs = bundle["kwargs"]
    sparse = {"sparse_dirs": [kwargs["subdir"]]} if kwargs.get("subdir") else {}
    kwargs = dict(sorted((kwargs | sparse).items()))
    return {"classpath": bundle["classpath"], "kwargs": kwargs, "name": bundle["name"]}


class Pods:
    """The pods of a project's installation, as far as their processes see it; folders of the pods lie under `root`."""

    def __init__(self, project, root):
        self.project, self.root = Path(project), Path(root)
        self.values = yaml.safe_load((self.project / "helm" / "values.yaml").read_text())
        manifests = secret_manifests(self.project)
        self.secrets = {item["metadata"]["name"]: item["data"] for item in manifests}

    def secret(self, name, key):
        """Return the text that a Secret holds under a key."""
        return base64.b64decode(self.secrets[name][key]).decode()

    def moved(self, text):
        """Return text with the pods' paths replaced by the test's own."""
        for mount in MOUNTS:
            text = text.replace(mount, f"{self.root}{mount}")
        return text

    def mount(self):
        """Write the files that the pods get from Secrets and ConfigMaps."""
        for name, data in self.secrets.items():
            if name.endswith("-git-ssh"):
                self._write("/etc/git-secret/ssh", base64.b64decode(data["gitSshKey"]))
                for key in data:
                    self._write(f"/etc/airflow-git/{key}", base64.b64decode(data[key]))
        known_hosts = self.values.get("dags", {}).get("gitSync", {}).get("knownHosts", "")
        self._write("/etc/git-secret/known_hosts", known_hosts.encode())

    def _write(self, path, content):
        file = Path(f"{self.root}{path}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        file.chmod(0o600)

    def git_sync(self):
        """Return the environment of the git-sync container, its root where the pods' DAGs folder is."""
        environment = self.git_sync_by_chart() if chart_at_hand() else self.git_sync_by_rules()
        # The folder that git-sync calls /git is the one that Airflow calls /opt/airflow/dags.
        environment["GITSYNC_ROOT"] = environment["GITSYNC_ROOT"].replace("/git", "/opt/airflow/dags")
        return {name: self.moved(value) for name, value in environment.items()}

    def airflow(self):
        """Return the environment of Airflow's containers, airflow.cfg as AIRFLOW__… included."""
        environment = self.airflow_by_chart() if chart_at_hand() else self.airflow_by_rules()
        environment |= self.storage()
        return {name: self.moved(value) for name, value in environment.items()}

    def storage(self):
        """Return what `make secrets` puts into the Secret that extraEnvFrom names, made of secrets/connections.env."""
        file = self.project / "secrets" / "connections.env"
        if not file.exists():
            return {}
        assert f"name: {self.project.name}-connections" in self.values["extraEnvFrom"]
        return dict(line.split("=", 1) for line in file.read_text().splitlines())

    def first_user(self):
        """Return the command and the environment of the job that makes the first user."""
        job = self.values["createUserJob"]
        return job["args"], self._resolved(job["env"])

    def _rendered(self):
        return helm_chart.objects(helm_chart.render(self.values))

    def git_sync_by_chart(self):
        """Return git-sync's environment as Helm renders it."""
        containers = helm_chart.pod_specs(self._rendered())["dag-processor"]["containers"]
        return self._resolved(next(each for each in containers if each["name"] == "git-sync")["env"])

    def _resolved(self, variables):
        resolved = {}
        for variable in variables:
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            value = self.secret(reference["name"], reference["key"]) if reference else variable.get("value", "")
            resolved[variable["name"]] = value
        return resolved

    def airflow_by_chart(self):
        """Return the environment of Airflow's containers as Helm renders it, airflow.cfg as AIRFLOW__… included."""
        parser = configparser.RawConfigParser()
        parser.read_string(helm_chart.config_map(self._rendered(), "airflow.cfg"))
        settings = {
            f"AIRFLOW__{section.upper()}__{name.upper()}": value
            for section in parser.sections()
            for name, value in parser[section].items()
        }
        # Between them they have all settings that hold a secret.
        specs = helm_chart.pod_specs(self._rendered())
        for component in ("api-server", "dag-processor"):
            for container in specs[component]["containers"]:
                if container["name"] == component:
                    settings |= self._resolved(container["env"])
        return settings

    def git_sync_by_rules(self):
        """Return git-sync's environment as the chart makes it from `dags.gitSync`."""
        sync = self.values["dags"]["gitSync"]
        environment = {
            "GITSYNC_REPO": sync["repo"],
            "GITSYNC_REF": sync["ref"],
            "GITSYNC_ROOT": "/git",
            "GITSYNC_LINK": "repo",
            "GITSYNC_DEPTH": str(sync["depth"]),
            "GITSYNC_PERIOD": sync["period"],
            "GITSYNC_MAX_FAILURES": str(sync["maxFailures"]),
        }
        if "sshKeySecret" in sync:
            assert sync["sshKeySecret"] in self.secrets
            environment["GITSYNC_SSH_KEY_FILE"] = "/etc/git-secret/ssh"
            environment["GITSYNC_SSH_KNOWN_HOSTS"] = "true" if sync.get("knownHosts") else "false"
            if sync.get("knownHosts"):
                environment["GITSYNC_SSH_KNOWN_HOSTS_FILE"] = "/etc/git-secret/known_hosts"
        return environment

    def airflow_by_rules(self):
        """Return the environment of Airflow's containers as the chart makes it."""
        values, sync = self.values, self.values.get("dags", {}).get("gitSync", {})
        bundles = values.get("dagProcessor", {}).get("dagBundleConfigList", [LOCAL_BUNDLE])
        folder = f"/opt/airflow/dags/repo/{sync['subPath']}" if sync.get("enabled") else "/opt/airflow/dags"
        environment = {
            "AIRFLOW_HOME": "/opt/airflow",
            "AIRFLOW__CORE__DAGS_FOLDER": folder,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": values["executor"],
            "AIRFLOW__CORE__AUTH_MANAGER": FAB,
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(
                bundles, separators=(",", ":"), sort_keys=True
            ),
        }
        for section, settings in values.get("config", {}).items():
            for name, value in settings.items():
                if name == "dag_bundle_config_list":  # a template: the chart's own list, with one word more
                    value = json.dumps([with_sparse_dirs(bundle) for bundle in bundles], separators=(",", ":"))
                environment[f"AIRFLOW__{section.upper()}__{name.upper()}"] = str(value)
        for name, (path, key) in (SECRETS | (BROKER if values["executor"] == "CeleryExecutor" else {})).items():
            secret = values
            for step in path.split("."):
                secret = secret[step]
            environment[name] = self.secret(secret, key)
        return environment | self._resolved(values["env"])
