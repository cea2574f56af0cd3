"""A look into the cluster: `make status`, `make ui-forward`, `make pod-dags`, `make logs-sync`."""

import json
import os
import subprocess
import sys

from tools import answers
from tools.cluster.deploy import UI, helm
from tools.cluster.kubectl import ClusterError, kubectl, kubectl_command
from tools.cluster.pods import claims_without_volume, pods

DAG_PROCESSOR = f"deployment/{answers.RELEASE}-dag-processor"
API_SERVER = f"service/{answers.RELEASE}-api-server"
# Helm 4 shows releases in any state, Helm 3 only those that are asked for.
ANY_STATE = ("--deployed", "--failed", "--pending", "--uninstalling")
BY_GIT_SYNC = answers.DAG_DELIVERY == "git-sync"

# Run in the DAG processor's pod: the commit and the files it has, then what Airflow made of them.
CHECKOUT = (
    'checkout=$(readlink -e ${AIRFLOW_HOME:-/opt/airflow}/dags/repo); commit=$(basename "$checkout")'
    if BY_GIT_SYNC
    else "bundles=${AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH:-/tmp/airflow/dag_bundles}; "
    f"checkout=$bundles/{answers.SLUG}/tracking_repo; commit=$(git -C $checkout rev-parse HEAD)"
)
SHOW_DAGS = f"""
fail() {{ echo "$*" >&2; exit 1; }}
exec 3>&1
airflow_says() {{ said=$(airflow dags "$@" --output plain 2>&1 1>&3); }}
{CHECKOUT} && test -d "$checkout" || fail "the repository is not fetched yet: make logs-sync says why"
echo "$commit"
cd "$checkout/{answers.DAGS_SUBPATH}" || fail "commit $commit has no folder {answers.DAGS_SUBPATH}/"
echo "Python files in {answers.DAGS_SUBPATH}:"
find . -name '*.py' | sort | sed 's|^./|  |'
echo; echo "DAGs that Airflow lists:"
airflow_says list || echo "  airflow dags list failed: ${{said##*$'\n'}}"
echo; echo "Import errors:"
airflow_says list-import-errors || true
"""


def status() -> None:
    """Print release, pods and volume claims."""
    releases = json.loads(helm("list", f"--filter=^{answers.RELEASE}$", *ANY_STATE, "--output=json"))
    if not releases:
        raise ClusterError(f"no release {answers.RELEASE} in namespace {answers.NAMESPACE}. Run: make deploy")
    release = releases[0]
    since = f"{release['status']} {release['updated'][:19]}"
    print(f"{release['chart']}, revision {release['revision']}, {since}")
    for pod in pods():
        restarts = f" ({pod.restarts} restarts)" if pod.restarts else ""
        print(f"  {'✓' if pod.ready else '✗'} {pod.name}: {pod.words}{restarts}")
    for claim in claims_without_volume():
        print(f"  ✗ no volume for {claim}")
    print(f"The UI: {UI}")


def ui_forward() -> None:
    """Bring the UI to this machine's port PORT (8080) until Ctrl-C."""
    port = os.environ.get("PORT", "8080")
    kubectl("get", API_SERVER, "--output=name", timeout=30)
    print(f"http://localhost:{port}: user admin, password in secrets/admin_password", flush=True)
    print("Ctrl-C ends it.", flush=True)
    become("port-forward", API_SERVER, f"{port}:8080")


def pod_dags() -> None:
    """Print the commit that the DAG processor has, its files, Airflow's DAGs and import errors."""
    in_pod = ("exec", DAG_PROCESSOR, "--container=dag-processor", "--", "bash", "-c")
    try:
        commit, _, rest = kubectl(*in_pod, SHOW_DAGS, timeout=180).partition("\n")
    except ClusterError as problem:
        state = [
            f"; {pod.name}: {pod.words}" for pod in pods() if "-dag-processor-" in pod.name and not pod.ready
        ]
        raise ClusterError(f"{problem}{''.join(state)}. More: make doctor") from None
    head = ["git", "-C", answers.ROOT, "rev-parse", "--verify", "--quiet", "HEAD"]
    here = subprocess.run(head, capture_output=True, text=True, check=False).stdout.strip()
    print(f"Commit in the pod: {commit}")
    print(f"Commit here:       {here or 'none yet'}")
    if here != commit:
        print(f"They differ. Pushed to {answers.GIT_BRANCH}, half a minute ago? Then: make logs-sync")
    print(rest, end="")


def logs_sync() -> None:
    """Print what fetches the DAGs has to say (FOLLOW=1: until Ctrl-C)."""
    container = "git-sync" if BY_GIT_SYNC else "dag-processor"
    follow = ["--follow"] if os.environ.get("FOLLOW") else []
    become("logs", DAG_PROCESSOR, f"--container={container}", "--tail=100", *follow)


def become(*arguments: str) -> None:
    """Let kubectl take this process's place: it has the terminal and the signals."""
    command = [*kubectl_command(), "--namespace", answers.NAMESPACE, *arguments]
    try:
        os.execvp(command[0], command)  # noqa: S606
    except FileNotFoundError:
        raise ClusterError(f"{command[0]} is not on PATH") from None


ACTIONS = {"status": status, "ui-forward": ui_forward, "pod-dags": pod_dags, "logs-sync": logs_sync}


def main(arguments: list[str]) -> int:
    try:
        ACTIONS[arguments[0]]()
    except ClusterError as problem:
        print(f"make {arguments[0]}: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
