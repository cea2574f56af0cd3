"""The programs, and the values: do they bring this repository's DAGs into the pods, and no secret?"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from typing import Any

import yaml

from etl_tools import answers
from etl_tools.cluster import helm_values, kubectl
from etl_tools.cluster.doctor import Finding, broken, fine, unknown
from etl_tools.cluster.helm_values import paths
from etl_tools.local.packages import is_known, missing_in_image
from etl_tools.programs import run
from etl_tools.secrets import manifests, scan
from etl_tools.secrets.git_url import url_problem

BUNDLE = answers.DAG_DELIVERY == "git-dag-bundle"
# Keys of charts before Airflow 3. At the top level they pass the schema and do nothing.
OLD_VALUES = {
    "webserver": "apiServer",
    "webserverSecretKey": "apiSecretKeySecretName",
    "webserverSecretKeySecretName": "apiSecretKeySecretName",
    "ingress.web": "ingress.apiServer",
    "dags.gitSync.wait": 'dags.gitSync.period, text such as "30s"',
    "config.webserver": "config.api or config.fab",
}
# Values that would put a secret into git and into Helm's history.
IN_THE_CLEAR = (
    "fernetKey apiSecretKey jwtSecret webserverSecretKey dags.gitSync.sshKey data.metadataConnection.pass "
    "data.brokerUrl redis.password postgresql.auth.password postgresql.auth.postgresPassword "
    "createUserJob.defaultUser.password extraSecrets"
)
TAKE_OUT = "take it out (make secrets puts it into the cluster), and make a new one if it was ever pushed"
# Secrets that are made when somebody gives what goes into them.
ON_DEMAND = [f"{answers.SLUG}-{name}" for name in ("git-token", "database", "pgbouncer")]


def programs() -> Iterator[Finding]:
    """Are git and ssh here?"""
    for name, package in {"git": "git", "ssh-keygen": "openssh-client"}.items():
        if shutil.which(name):
            yield fine(f"{name} is on PATH")
        elif answers.SSH or name == "git":
            yield broken(f"{name} is not on PATH", f"apt-get install {package}")


def values() -> Iterator[Finding]:
    """Look at the values files as far as they can be read without the chart."""
    problem = url_problem(answers.GIT_REPO, answers.GIT_ACCESS)
    if not problem and "your-org/" in answers.GIT_REPO:
        problem = f"still the placeholder {answers.GIT_REPO}: there is no such repository"
    fix = "correct it in pyproject.toml, and the address in helm/values.yaml"
    problems = [broken(f"git_repo: {problem}", fix)] if problem else []
    try:
        problems += [*every_file(), *checkout(helm_values.merged())]
    except OSError as problem:
        problems.append(broken(f"the values files: {problem}", "git checkout -- helm"))
    except yaml.YAMLError as problem:
        problems.append(broken(f"a values file is no YAML: {' '.join(str(problem).split())}", "correct it there"))
    if BUNDLE and answers.EXECUTOR == "KubernetesExecutor":
        yield unknown(
            "GitDagBundle with KubernetesExecutor: each task's pod clones the repository's whole history",
            "well while that is short; else CeleryExecutor, or dag_delivery git-sync: it fetches one commit",
        )
    good = "helm/values.yaml: repository, branch and subPath as in pyproject.toml, and no secret"
    yield from problems or [fine(good)]


def every_file() -> Iterator[Finding]:
    """Find old keys, secrets, and in the files that a deploy takes what is left to fill in."""
    for path in sorted((answers.ROOT / "helm").glob("*.yaml")):
        name, content = f"helm/{path.name}", path.read_bytes()
        scanner = scan.Scanner()
        for line, what in scanner.problems(content, name):
            yield broken(f"{name}:{line}: holds {what}", TAKE_OUT)
        if scanner.problem:
            yield unknown(f"{name} was not looked through for secrets: {scanner.problem}", blocks=True)
        inside = dict(paths(yaml.safe_load(content) or {})) if path.name.startswith("values") else {}
        for old in inside.keys() & OLD_VALUES.keys():
            yield broken(f"{name}: {old} is of an older chart and ignored", f"write {OLD_VALUES[old]}")
        for secret in [secret for secret in IN_THE_CLEAR.split() if inside.get(secret)]:
            yield broken(f"{name}: {secret} holds a secret in the clear", TAKE_OUT)
        for number, words in enumerate(content.decode().splitlines(), 1):
            if "FILL-IN" in words.partition("#")[0] and name in helm_values.files():
                yield broken(f"{name}:{number} still says {words.strip()!r}", "fill it in")


def image() -> Iterator[Finding]:
    """Has the image that the values name all that the DAGs need?"""
    inside = helm_values.merged()
    named = inside.get("images", {}).get("airflow", {})
    tag = str(named.get("digest") or named.get("tag") or inside.get("defaultAirflowTag"))
    missing = [broken(*line.rsplit(": ", 1)) for line in missing_in_image()]
    good = fine("the image has the packages that the DAGs need")
    if not is_known(tag):
        good = unknown(f"which packages the image with the tag {tag} has, is not known here")
    yield from missing or [good]


def checkout(inside: dict[str, Any]) -> Iterator[Finding]:
    """Compare the values with what this project was made for, and their Secrets with those that are made."""
    file, slug = helm_values.files()[0], answers.SLUG
    prefix, names = "dags.gitSync", ("repo", "ref", "subPath")
    if BUNDLE:
        prefix, names = "dagProcessor.dagBundleConfigList.0.kwargs", ("repo_url", "tracking_ref", "subdir")
    # An environment's own branch is not in the files: deploy hands it to Helm.
    ours = (answers.GIT_REPO, answers.ALL[""]["git_branch"], answers.DAGS_SUBPATH)
    says = "pyproject.toml says"
    rows: list[tuple[str, object, str]] = [
        (f"{prefix}.{name}", right, says) for name, right in zip(names, ours, strict=True)
    ]
    if not BUNDLE:
        rows += [(f"{prefix}.enabled", True, "and no pod gets a DAG; right is")]
        rows += [(f"{prefix}.{name}", "", "which wins over ref; right is") for name in ("branch", "rev")]
    if not BUNDLE and answers.SSH:
        rows.append((f"{prefix}.sshKeySecret", f"{slug}-git-ssh", "make secrets makes"))
    lock = (answers.ROOT / "requirements.lock").read_text(encoding="utf-8")
    if version := re.search(r"^apache-airflow==(\S+)", lock, re.MULTILINE):
        keys = ("airflowVersion", "defaultAirflowTag")
        rows += [(key, version[1], "requirements.lock says") for key in keys]
    flat = dict(paths(inside))
    for path, right, words in rows:
        value = flat.get(path)
        is_now = "left to the chart's default" if value is None else str(value)
        if right not in (value, is_now.partition("-python")[0]):
            fix = "correct the one or the other, then make deploy"
            yield broken(f"{file}: {path} is {is_now}, {words} {json.dumps(right)}", fix)
    hosts = answers.KNOWN_HOSTS.read_text(encoding="utf-8") if answers.KNOWN_HOSTS.exists() else None
    if hosts and not BUNDLE and flat.get("dags.gitSync.knownHosts") != hosts:
        fix = "make known-hosts; if there is no knownHosts: below dags.gitSync, write knownHosts: | first"
        yield broken(f"{file}: knownHosts differs from helm/known_hosts", fix)
    made = {*manifests.files().values(), (f"{slug}-git-ssh", "known_hosts")}
    made |= {(f"{slug}-{name}", "connection") for name in ("metadata", "broker", "github-app")}
    for secret, key in helm_values.named_secrets(inside):
        if secret.startswith(f"{slug}-") and secret not in ON_DEMAND and (secret, key) not in made:
            what = f"the Secret {secret}, key {key}, which make secrets does not make"
            yield broken(f"{file} names {what}", "correct the name there")


def chart() -> Iterator[Finding]:
    """Have Helm check the values against the chart's schema, if Helm and the chart are at hand."""
    if not shutil.which(kubectl.command("helm")[0]):
        yield unknown("helm is not on PATH; only make deploy needs it", "docs/deploy.md says which one")
        return
    try:
        yield fine(f"helm {kubectl.helm_version()}")
    except kubectl.ClusterError as problem:
        yield broken(str(problem), "docs/deploy.md says which one")
        return
    yield (found := rendered())
    others = {f"helm/{path.name}" for path in (answers.ROOT / "helm").glob("values.*.yaml")}
    for name in sorted(others - set(helm_values.files())) if found.ok else ():
        over = rendered(f"--values={answers.ROOT / name}")
        if not over.ok:
            yield over._replace(what=f"with {name}: {over.what}", blocks=False)


def rendered(*more: str) -> Finding:
    if not os.environ.get("CHART") and not os.environ.get("CHART_VERSION"):
        return unknown("the values against the chart: the Makefile names the chart", "make doctor")
    patience = 60 if os.environ.get("CHART") else 8  # a chart that is here waits for no network
    helm, arguments = kubectl.command("helm"), helm_values.chart()
    done = run(*helm, "template", *arguments, *more, timeout=patience)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["helm template failed"]
        wrong = "; ".join(line.strip()[2:] for line in lines if line.strip().startswith("- ")) or lines[-1].strip()
        if re.search("specifications of the schema|helm/values|execution error", done.stderr):
            return broken(f"the values do not fit the chart: {wrong}", "correct them in helm/")
        return unknown(f"the values against the chart: {wrong[:150]}")
    if "\nkind: Secret\n" in done.stdout:
        what = "the chart makes a Secret of its own, another one at each deploy"
        return broken(what, "name one in helm/values.yaml")
    # Names that the chart does not know pass its schema at the top level, and do nothing.
    source = [word for word in arguments[1:] if not word.startswith("--values=")]
    shown = run(*helm, "show", "values", *source, timeout=patience)
    if shown.returncode:
        return unknown(f"names of values that the chart may not know: {shown.stderr.strip()[-150:]}")
    known = re.findall(r"^(\w+):", shown.stdout, re.MULTILINE)
    if strange := sorted(set(helm_values.merged()) - set(known)):
        what = f"the chart has no value {', '.join(strange)}, and ignores it"
        return broken(what, "correct the name in helm/; helm show values lists them")
    return fine("the values fit the chart, and the chart renders")
