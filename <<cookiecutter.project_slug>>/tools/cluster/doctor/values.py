"""The programs, and the values: do they bring this repository's DAGs into the pods, and no secret?"""

import os
import re
import shutil
from collections.abc import Iterator
from typing import Any

import yaml

from tools import answers
from tools.cluster import helm_values, kubectl
from tools.cluster.apply_secrets import TOKEN
from tools.cluster.doctor import Finding, broken, fine, unknown
from tools.local.packages import missing_in_image
from tools.programs import run
from tools.secrets import manifests, scan
from tools.secrets.git_server import url_problem

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


def programs() -> Iterator[Finding]:
    """Are git and ssh here?"""
    needed = {"git": "apt-get install git, or https://git-scm.com"}
    needed |= (
        {"ssh-keygen": "apt-get install openssh-client, or your system's OpenSSH"} if answers.SSH else {}
    )
    for name, fix in needed.items():
        yield fine(f"{name} is on PATH") if shutil.which(name) else broken(f"{name} is not on PATH", fix)


def at(values: Any, path: str) -> Any:
    """Return what values hold under a dotted path (a number is a place in a list), or None."""
    for part in path.split("."):
        if isinstance(values, list) and part.isdigit():
            values = dict(enumerate(values)).get(int(part))
        else:
            values = values.get(part) if isinstance(values, dict) else None
    return values


def values() -> Iterator[Finding]:
    """Look at the values files as far as they can be read without the chart."""
    try:
        problems = [*git_repo(), *every_file(), *checkout(helm_values.merged())]
    except OSError as problem:
        problems = [broken(f"the values files: {problem}", "git checkout -- helm")]
    except yaml.YAMLError as problem:
        problems = [broken(f"a values file is no YAML: {' '.join(str(problem).split())}", "correct it there")]
    if BUNDLE and answers.EXECUTOR == "KubernetesExecutor":
        yield unknown(
            "GitDagBundle with KubernetesExecutor: each task's pod clones the repository's whole history",
            "well while that is short; else CeleryExecutor, or dag_delivery git-sync: it fetches one commit",
        )
    good = "helm/values.yaml: repository, branch and subPath as in pyproject.toml, and no secret"
    yield from problems or [fine(good)]


def git_repo() -> Iterator[Finding]:
    fix = "correct git_repo in pyproject.toml and the address in helm/values.yaml"
    if problem := url_problem(answers.GIT_REPO, answers.GIT_ACCESS):
        yield broken(f"git_repo: {problem}", fix)
    elif "your-org/" in answers.GIT_REPO:
        yield broken(
            f"git_repo is still the placeholder {answers.GIT_REPO}: there is no such repository", fix
        )


def every_file() -> Iterator[Finding]:
    """Find old keys, secrets, and in the files that a deploy takes what is left to fill in."""
    own = scan.own_secrets()
    for path in sorted((answers.ROOT / "helm").glob("*.yaml")):
        name, content = f"helm/{path.name}", path.read_bytes()
        for line, what in scan.problems(content, own):
            yield broken(f"{name}:{line}: holds {what}", TAKE_OUT)
        if not path.name.startswith("values"):
            continue
        inside = yaml.safe_load(content)
        for old, new in OLD_VALUES.items():
            if at(inside, old) is not None:
                yield broken(f"{name}: {old} is of an older chart and ignored", f"write {new}")
        for secret in IN_THE_CLEAR.split():
            if at(inside, secret):
                yield broken(f"{name}: {secret} holds a secret in the clear", TAKE_OUT)
        for number, line in enumerate(content.decode().splitlines(), 1):
            if "FILL-IN" in line.partition("#")[0] and name in helm_values.files():
                yield broken(f"{name}:{number} still says {line.strip()!r}", "fill it in")


def image() -> Iterator[Finding]:
    """Has the image that the values name all that the DAGs need?"""
    missing = missing_in_image()
    for line in missing:
        yield broken(*line.rsplit(": ", 1))
    if not missing:
        yield fine("the image has the packages that the DAGs need")


def wanted() -> Iterator[tuple[str, object, str]]:
    """Yield path, right value and what another one means, for what decides about the code in the pods."""
    prefix, names = "dags.gitSync", ("repo", "ref", "subPath")
    if BUNDLE:
        prefix, names = "dagProcessor.dagBundleConfigList.0.kwargs", ("repo_url", "tracking_ref", "subdir")
    # An environment's own branch is not in the files: deploy hands it to Helm.
    ours = (answers.GIT_REPO, answers.ALL[""]["git_branch"], answers.DAGS_SUBPATH)
    for name, right in zip(names, ours, strict=True):
        yield f"{prefix}.{name}", right, f", pyproject.toml says {right}"
    if not BUNDLE:
        yield f"{prefix}.enabled", True, ", not true: no pod gets a DAG"
        yield f"{prefix}.branch", "", ", which wins over ref"
        yield f"{prefix}.rev", "", ", which wins over ref"
        if answers.SSH:
            yield f"{prefix}.sshKeySecret", f"{answers.SLUG}-git-ssh", ", which make secrets does not make"
    lock = (answers.ROOT / "requirements.lock").read_text(encoding="utf-8")
    if version := re.search(r"^apache-airflow==(\S+)", lock, re.MULTILINE):
        yield "airflowVersion", version[1], f", requirements.lock says {version[1]}"


def checkout(inside: dict[str, Any]) -> Iterator[Finding]:
    """Compare the values with what this project was made for, and their Secrets with those that are made."""
    name = helm_values.files()[0]
    for path, right, otherwise in wanted():
        value = at(inside, path)
        if value != right:
            is_now = "left to the chart's default" if value is None else value
            yield broken(
                f"{name}: {path} is {is_now}{otherwise}", "correct the one or the other, then make deploy"
            )
    tag, version = (str(inside.get(key)) for key in ("defaultAirflowTag", "airflowVersion"))
    if tag.partition("-")[0] != version:
        what = f"{name}: defaultAirflowTag is {tag}, airflowVersion {version}: they belong together"
        yield broken(what, f"write defaultAirflowTag: {version}-python3…")
    hosts = at(inside, "dags.gitSync.knownHosts")
    if answers.SSH and not BUNDLE and not hosts:
        what = f"{name}: dags.gitSync.knownHosts is missing: git-sync would trust any server"
        yield broken(what, "put the lines of helm/known_hosts there, as a text block (knownHosts: |)")
    elif hosts and answers.KNOWN_HOSTS.exists() and hosts != answers.KNOWN_HOSTS.read_text(encoding="utf-8"):
        yield broken(f"{name}: knownHosts differs from helm/known_hosts", "make known-hosts")
    slug = answers.SLUG
    made = {f"{slug}-{name}": {"connection"} for name in ("metadata", "broker", "github-app")}
    for secret, key in manifests.files().values():
        made.setdefault(secret, {"known_hosts"}).add(key)
    by_hand = (TOKEN, f"{slug}-database", f"{slug}-pgbouncer")
    for secret, keys in helm_values.named_secrets(inside):
        ours = secret.startswith(f"{slug}-") and secret not in by_hand
        if ours and not made.get(secret, set()).issuperset(keys):
            what = (
                f"{name} names the Secret {secret}, key {', '.join(keys)}, which make secrets does not make"
            )
            yield broken(what, "correct the name there")


def chart() -> Iterator[Finding]:
    """Have Helm check the values against the chart's schema, if Helm and the chart are at hand."""
    helm = kubectl.helm_command()
    out = run(*helm, "version", "--short", timeout=8).stdout.strip()
    if not (numbers := re.match(r"v(\d+)\.(\d+)", out)):
        yield unknown(f"{helm[0]} does not run here; only make deploy needs it", kubectl.INSTALL["helm"])
    elif tuple(map(int, numbers.groups())) < kubectl.OLDEST_HELM:
        yield broken(f"helm {out} is too old: the chart needs 3.19", kubectl.INSTALL["helm"])
    else:
        yield fine(f"helm {out}")
        yield (found := rendered(helm, []))
        others = {f"helm/{path.name}" for path in (answers.ROOT / "helm").glob("values.*.yaml")}
        for name in sorted(others - set(helm_values.files())) if found.ok else ():
            over = rendered(helm, [f"--values={answers.ROOT / name}"])
            if over.ok is False:
                yield broken(f"with {name}: {over.what}", over.fix, blocks=False)


def rendered(helm: list[str], more: list[str]) -> Finding:
    not_checked = "the values against the chart's schema: "
    if not os.environ.get("CHART") and not os.environ.get("CHART_VERSION"):
        return unknown(f"{not_checked}the Makefile names the chart", "make doctor")
    patience = 60 if os.environ.get("CHART") else 8  # a chart that is here waits for no network
    arguments = [*helm_values.chart(), *more]
    done = run(*helm, "template", *arguments, "--namespace", answers.NAMESPACE, timeout=patience)
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()] or ["helm template failed"]
    if done.returncode and "specifications of the schema" in done.stderr:
        wrong = [line.lstrip("- ") for line in said if line.startswith("- ")] or said[-1:]
        return broken(f"the values do not fit the chart: {'; '.join(wrong)}", "correct them in helm/")
    if done.returncode and re.search("helm/values|execution error", done.stderr):
        return broken(f"the values do not render: {said[-1]}", "correct them in helm/")
    if done.returncode:
        return unknown(f"{not_checked}{said[-1].removeprefix('Error: ')[:150]}")
    if "\nkind: Secret\n" in done.stdout:
        return broken(
            "the chart makes a Secret of its own, another one at each deploy", "name one in helm/values.yaml"
        )
    # Names that the chart does not know pass its schema at the top level, and do nothing.
    source = [word for word in arguments[1:] if not word.startswith("--values=")]
    listed = run(*helm, "show", "values", *source, timeout=patience).stdout
    known = re.findall(r"^(\w+):", listed, re.MULTILINE)
    if strange := sorted(set(helm_values.merged()) - set(known)) if known else []:
        what = f"the chart has no value {', '.join(strange)}, and ignores it"
        return broken(what, "correct the name in helm/; helm show values lists them")
    return fine("the values fit the chart, and the chart renders")
