"""What the owner of an Airflow that exists needs to run these DAGs there: `make bundle`."""

import json
from collections.abc import Iterator

from etl_tools import answers

SECRET = f"{answers.SLUG}-git-ssh"
FOLDER = f"/etc/{SECRET}"
VOLUMES = f"""\
  # The two volumes are needed by the pods that run tasks as well (workers, or the scheduler).
  extraVolumes:
    - {{name: {SECRET}, secret: {{secretName: {SECRET}, defaultMode: 288}}}}
  extraVolumeMounts:
    - {{name: {SECRET}, mountPath: {FOLDER}, readOnly: true}}"""


def lines() -> Iterator[str]:
    name = f"git_{answers.SLUG.replace('-', '_')}"
    kwargs: dict[str, object] = {"repo_url": answers.GIT_REPO, "tracking_ref": answers.GIT_BRANCH}
    kwargs |= {"subdir": answers.DAGS_SUBPATH, "refresh_interval": 30}
    kwargs |= {} if answers.GIT_ACCESS == "public" else {"git_conn_id": name}
    classpath = "airflow.providers.git.bundles.git.GitDagBundle"
    entry = {"name": answers.SLUG, "classpath": classpath, "kwargs": kwargs}
    connection: dict[str, object] = {"conn_type": "git", "host": answers.GIT_REPO}
    yield "# 1. The bundle, in the values of the chart (added to the entries that are there)."
    yield f"dagProcessor:\n  dagBundleConfigList:\n    - {json.dumps(entry)}"
    if answers.SSH:
        yield VOLUMES
    yield "# Without the chart, the same entry in AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST:"
    yield f"# {json.dumps([entry])}"
    sparse = json.dumps([answers.DAGS_SUBPATH])
    yield f'# There, from git provider 1.0.1 on, "sparse_dirs": {sparse} in kwargs checks out the DAGs alone.'
    if answers.GITHUB_APP:
        names = ("github_app_id", "github_installation_id", "private_key")
        connection["extra"] = {name: f"<{name} of the App>" for name in names}
        yield "\n# 2. The image of these pods needs PyGithub, which the stock one lacks."
    elif answers.SSH:
        key_files = {"key_file": f"{FOLDER}/gitSshKey", "known_hosts_file": f"{FOLDER}/known_hosts"}
        connection["extra"] = key_files | {"strict_host_key_checking": "yes"}
        key = answers.in_secrets("deploy_key")
        sources = f"--from-file=gitSshKey={key} --from-file=known_hosts=helm/known_hosts"
        yield "\n# 2. The Secret, made here by who has the key:"
        yield f"# kubectl -n NAMESPACE create secret generic {SECRET} {sources}"
    else:
        connection |= {"login": "x-access-token", "password": "<a token that may read it>"}
    if answers.GIT_ACCESS != "public":
        yield "\n# 3. The connection, in the environment of these pods (from a Secret, if it holds one):"
        yield f"# AIRFLOW_CONN_{name.upper()}={json.dumps(connection)}"


def main() -> None:
    """Print it."""
    print(*lines(), sep="\n")
