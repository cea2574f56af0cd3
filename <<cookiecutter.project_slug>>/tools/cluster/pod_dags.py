"""What the DAG processor's pod has, beside what is here: `make pod-dags`."""

import sys

from tools import answers
from tools.cluster.kubectl import ClusterError, kubectl
from tools.cluster.pods import pods
from tools.secrets.git_server import git

# Run in the pod: the commit and the files it has, then what Airflow made of them.
CHECKOUT = (
    'checkout=$(readlink -e ${AIRFLOW_HOME:-/opt/airflow}/dags/repo); commit=$(basename "$checkout")'
    if answers.DAG_DELIVERY == "git-sync"
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


def main() -> int:
    in_pod = ("exec", f"deployment/{answers.RELEASE}-dag-processor", "--container=dag-processor", "--")
    try:
        commit, _, rest = kubectl(*in_pod, "bash", "-c", SHOW_DAGS, timeout=180).partition("\n")
    except ClusterError as problem:
        state = [f"; {pod.name}: {pod.words}" for pod in waiting()]
        print(f"make pod-dags: {problem}{''.join(state)}. More: make doctor", file=sys.stderr)
        return 1
    here = git("rev-parse", "--verify", "--quiet", "HEAD").stdout.strip()
    print(f"Commit in the pod: {commit}")
    print(f"Commit here:       {here or 'none yet'}")
    if here != commit:
        print(f"They differ. Pushed to {answers.GIT_BRANCH}, half a minute ago? Then: make logs-sync")
    print(rest, end="")
    return 0


def waiting() -> list:
    try:
        return [pod for pod in pods() if "-dag-processor-" in pod.name and not pod.ready]
    except ClusterError:  # the same failure once more
        return []


if __name__ == "__main__":
    sys.exit(main())
