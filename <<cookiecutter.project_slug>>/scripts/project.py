"""This project's answers, for the scripts beside this file; helm/values.yaml holds them for the chart."""

from pathlib import Path

SLUG = "<< cookiecutter.project_slug >>"
GIT_REPO = << cookiecutter.git_repo | tojson >>
GIT_BRANCH = << cookiecutter.git_branch | tojson >>
DAGS_SUBPATH = << cookiecutter.dags_subpath | tojson >>
GIT_ACCESS = "<< cookiecutter.git_access >>"
DAG_DELIVERY = "<< cookiecutter.dag_delivery >>"
DEPLOY_KEY_TYPE = "<< cookiecutter.deploy_key_type >>"
EXECUTOR = "<< cookiecutter.executor >>"
NAMESPACE = "<< cookiecutter.namespace >>"
RELEASE = "airflow"
# Where the environment does not say otherwise (the Makefile passes both on).
KUBECTL = "<% if cookiecutter.kubernetes == 'microk8s' %>microk8s kubectl<% else %>kubectl<% endif %>"
HELM = "<% if cookiecutter.kubernetes == 'microk8s' %>microk8s helm3<% else %>helm<% endif %>"

ROOT = Path(__file__).resolve().parent.parent
SECRETS = ROOT / "secrets"
KNOWN_HOSTS = ROOT / "helm" / "known_hosts"
MANIFEST = SECRETS / "kubernetes.yaml"
