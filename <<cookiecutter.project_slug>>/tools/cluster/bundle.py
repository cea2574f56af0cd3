"""What the owner of an Airflow that exists needs to run these DAGs there: `make bundle`."""

import json
import sys

import yaml

from tools import answers

NAME = answers.SLUG.replace("-", "_")
CONNECTION = f"git_{NAME}"
SECRET = f"{answers.SLUG}-git-ssh"
FOLDER = f"/etc/{SECRET}"


def connection() -> tuple[dict, str]:
    """Return the Airflow connection that reads the repository, and the command that makes its Secret."""
    found = {"conn_type": "git", "host": answers.GIT_REPO}
    if answers.GIT_ACCESS == "https-token":
        return found | {"login": "x-access-token", "password": "<a token that may read it>"}, ""
    if answers.GITHUB_APP:
        names = ("github_app_id", "github_installation_id", "private_key")
        return found | {"extra": {name: f"<{name} of the App>" for name in names}}, ""
    extra = {"key_file": f"{FOLDER}/gitSshKey", "known_hosts_file": f"{FOLDER}/known_hosts"}
    files = {"gitSshKey": answers.in_secrets("deploy_key"), "known_hosts": "helm/known_hosts"}
    sources = " ".join(f"--from-file={key}={name}" for key, name in files.items())
    return (
        found | {"extra": extra | {"strict_host_key_checking": "yes"}},
        f"kubectl -n NAMESPACE create secret generic {SECRET} {sources}",
    )


def values() -> dict:
    """Return what goes into the values of the official chart: an entry, and for a key the volume it is in."""
    kwargs = {
        "repo_url": answers.GIT_REPO,
        "tracking_ref": answers.GIT_BRANCH,
        "subdir": answers.DAGS_SUBPATH,
        "refresh_interval": 30,
    }
    if answers.GIT_ACCESS != "public":
        kwargs["git_conn_id"] = CONNECTION
    classpath = "airflow.providers.git.bundles.git.GitDagBundle"
    entry = {"name": answers.SLUG, "classpath": classpath, "kwargs": kwargs}
    found = {"dagProcessor": {"dagBundleConfigList": [entry]}}
    if answers.SSH:
        volume = {"name": SECRET, "secret": {"secretName": SECRET, "defaultMode": 0o440}}
        mount = {"name": SECRET, "mountPath": FOLDER, "readOnly": True}
        found["dagProcessor"] |= {"extraVolumes": [volume], "extraVolumeMounts": [mount]}
    return found


def main() -> int:
    print("# 1. The bundle, in the values of the chart (added to the entries that are there).")
    if answers.SSH:
        print("# The two volumes are needed by the pods that run tasks as well (workers, or the scheduler).")
    print(yaml.safe_dump(values(), sort_keys=False), end="")
    print("# Without the chart, the same entry in AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST:")
    print(f"# {json.dumps(values()['dagProcessor']['dagBundleConfigList'])}")
    if answers.GIT_ACCESS != "public":
        content, command = connection()
        if command:
            print(f"\n# 2. The Secret, made here by who has the key:\n# {command}")
        if answers.GITHUB_APP:
            print("\n# 2. The image of the same pods needs PyGithub, which the stock one lacks.")
        print("\n# 3. The connection, in the same pods' environment (from a Secret, if it holds one):")
        print(f"# AIRFLOW_CONN_{CONNECTION.upper()}={json.dumps(content)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
