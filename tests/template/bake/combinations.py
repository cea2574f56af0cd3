"""Sets of answers: every choice of every question, and every pair of choices, in as few projects as possible."""

from allpairspy import AllPairs

CHOICES = {
    "git_access": ["ssh-deploy-key", "https-token", "github-app", "public"],
    "dag_delivery": ["git-sync", "git-dag-bundle"],
    "executor": ["CeleryExecutor", "KubernetesExecutor", "LocalExecutor"],
    "expose": ["port-forward", "nodeport", "airflow.example.com"],
    "data_root": [
        "file:///opt/airflow/data",
        "s3://bucket/data",
        "gs://bucket/data",
        "abfs://container@account.dfs.core.windows.net/data",
    ],
    "ci": ["github", "gitlab", "none"],
    "dags_subpath": ["dags", "airflow/dags"],
}


def all_pairs():
    """Return answers as dicts in which every pair of choices of two questions occurs at least once."""
    return [dict(zip(CHOICES, values, strict=True)) for values in AllPairs(list(CHOICES.values()))]


def readable(answers):
    """Return a test id: the answers, without what every project shares."""
    return "-".join(value.split(":")[0].replace("Executor", "") for value in answers.values())
