"""The tools, and whether helm/values.yaml brings the DAGs of this repository into the pods, and no secret."""

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator

from tools import answers
from tools.cluster import kubectl
from tools.cluster.doctor import Finding, broken, fine, unknown
from tools.cluster.values_file import read_values
from tools.secrets import known_hosts, scan

SSH = answers.GIT_ACCESS == "ssh-deploy-key"
VALUES = answers.ROOT / "helm" / "values.yaml"
HELM_MINIMUM = (3, 19)

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
SECRET_VALUES = (
    "fernetKey",
    "apiSecretKey",
    "jwtSecret",
    "webserverSecretKey",
    "dags.gitSync.sshKey",
    "data.metadataConnection.pass",
    "data.brokerUrl",
    "redis.password",
    "postgresql.auth.password",
    "postgresql.auth.postgresPassword",
    "createUserJob.defaultUser.password",
    "extraSecrets",
)
TAKE_OUT = "take it out (make secrets puts it into the cluster), and make a new one if it was ever pushed"


def version(*command: str) -> str | None:
    """Return the first line that a tool prints about itself, or None if there is no such tool."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=8)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return (done.stdout or done.stderr).strip().partition("\n")[0]


def tools(offline: bool) -> Iterator[Finding]:
    found = version("git", "--version")
    yield (
        fine(found) if found else broken("git is not on PATH", "apt-get install git, or https://git-scm.com")
    )
    if SSH:
        found = version("ssh", "-V")
        cure = "apt-get install openssh-client, or your system's OpenSSH"
        yield fine(found) if found else broken("ssh and ssh-keygen are not on PATH", cure)
    if offline:
        return
    command = kubectl.helm_command()
    found = version(*command, "version", "--short")
    numbers = re.match(r"v(\d+)\.(\d+)", found or "")
    where = kubectl.INSTALL["helm"]
    if not numbers:
        yield unknown(f"{' '.join(command)} does not run here; only make deploy needs it", where)
    elif tuple(map(int, numbers.groups())) < HELM_MINIMUM:
        yield broken(f"helm {found} is too old: the chart needs 3.19", where)
    else:
        yield fine(f"helm {found}")


def values(offline: bool) -> Iterator[Finding]:
    if not VALUES.exists():
        yield broken("there is no helm/values.yaml", "git checkout -- helm/values.yaml")
        return
    text = VALUES.read_text(encoding="utf-8")
    found = read_values(text)
    problems = [*old_values(found), *checkout(found), *secrets_in(found), *unfilled()]
    if SSH:
        problems += known_hosts_in(text)
    good = "helm/values.yaml: repository, branch and subPath as in pyproject.toml, and no secret"
    yield from problems or [fine(good)]
    if not offline:
        yield rendered(found)


def old_values(found: dict[str, tuple[str, int]]) -> Iterator[Finding]:
    for old, new in OLD_VALUES.items():
        if old in found:
            line = found[old][1]
            yield broken(f"helm/values.yaml:{line}: {old} is of an older chart and ignored", f"write {new}")


def checkout(found: dict[str, tuple[str, int]]) -> Iterator[Finding]:
    """Compare what decides about the checkout in the pods with what this project was made for."""
    if "your-org/" in answers.GIT_REPO:
        fix = "write your own address in pyproject.toml (git_repo) and helm/values.yaml, then make keys"
        yield broken(f"git_repo is still the placeholder {answers.GIT_REPO}: there is no such repository", fix)
    if answers.DAG_DELIVERY == "git-sync":
        yield from sidecar(found)
        prefix, names = "dags.gitSync", ("repo", "ref", "subPath")
    else:
        prefix, names = "dagProcessor.dagBundleConfigList.kwargs", ("repo_url", "tracking_ref", "subdir")
    wanted = (answers.GIT_REPO, answers.ALL[""]["git_branch"], answers.DAGS_SUBPATH)
    for name, right in zip(names, wanted, strict=True):
        value = found.get(f"{prefix}.{name}", ("missing", 0))[0]
        if value != right:
            yield broken(
                f"helm/values.yaml: {prefix}.{name} is {value}, pyproject.toml says {right}",
                f"write {name}: {right} (or correct pyproject.toml), then make deploy",
            )


def sidecar(found: dict[str, tuple[str, int]]) -> Iterator[Finding]:
    prefix = "dags.gitSync"
    for name in ("branch", "rev"):
        value = found.get(f"{prefix}.{name}", ("left to the chart's default", 0))[0]
        if value:
            what = f"helm/values.yaml: {prefix}.{name} is {value}, which wins over ref"
            yield broken(what, f'write {name}: ""')
    if found.get(f"{prefix}.enabled", ("", 0))[0] != "true":
        what = f"helm/values.yaml: {prefix}.enabled is not true: no pod gets a DAG"
        yield broken(what, "write enabled: true")
    secret = found.get(f"{prefix}.sshKeySecret", ("missing", 0))[0]
    if SSH and secret != f"{answers.SLUG}-git-ssh":
        what = f"helm/values.yaml: {prefix}.sshKeySecret is {secret}"
        yield broken(what, f"write sshKeySecret: {answers.SLUG}-git-ssh")


def secrets_in(found: dict[str, tuple[str, int]]) -> Iterator[Finding]:
    for path in SECRET_VALUES:
        value, line = found.get(path, ("", 0))
        if value and value not in ("{}", "~", "null"):
            yield broken(f"helm/values.yaml:{line}: {path} holds a secret in the clear", TAKE_OUT)
    own = scan.own_secrets()
    for path in sorted(VALUES.parent.glob("*.yaml")):
        for line, what in scan.problems(path.read_bytes(), own):
            yield broken(f"helm/{path.name}:{line}: holds {what}", TAKE_OUT)


def unfilled() -> Iterator[Finding]:
    """Find what a person still has to fill in, in the values files that a deploy takes."""
    for name in os.environ.get("VALUES", "helm/values.yaml").split():
        lines = (answers.ROOT / name).read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, 1):
            if "FILL-IN" in line.partition("#")[0]:
                yield broken(f"{name}:{number} still says {line.strip()!r}", "fill it in")


def known_hosts_in(text: str) -> Iterator[Finding]:
    copy = known_hosts.in_values(text)
    if copy is None and answers.DAG_DELIVERY == "git-sync":
        what = "helm/values.yaml: dags.gitSync.knownHosts is missing: git-sync would trust any server"
        yield broken(what, "put the lines of helm/known_hosts there, as a text block (knownHosts: |)")
    if copy is None or not answers.KNOWN_HOSTS.exists():
        return
    if copy != answers.KNOWN_HOSTS.read_text(encoding="utf-8"):
        yield broken("helm/values.yaml: knownHosts differs from helm/known_hosts", "make known-hosts")


def rendered(found: dict[str, tuple[str, int]]) -> Finding:
    """Have Helm check the values against the chart's schema, if Helm and the chart are at hand."""
    helm = kubectl.helm_command()
    not_checked = "helm/values.yaml against the chart's schema: "
    if not os.environ.get("CHART") and not os.environ.get("CHART_VERSION"):
        return unknown(f"{not_checked}the Makefile names the chart", "make doctor")
    from tools.cluster.deploy import chart  # which imports this package

    command = [*helm, "template", *chart(), "--namespace", answers.NAMESPACE]
    patience = 60 if os.environ.get("CHART") else 8  # a chart that lies here waits for no network
    try:
        done = subprocess.run(
            command, cwd=answers.ROOT, capture_output=True, text=True, check=False, timeout=patience
        )
    except OSError:
        return unknown(f"{not_checked}{helm[0]} does not run here")
    except subprocess.TimeoutExpired:
        return unknown(f"{not_checked}the chart's server does not answer")
    if done.returncode == 0:
        return names_known_to(found, [*helm, "show", "values", *chart()[1:]], patience)
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()] or ["helm template failed"]
    if "specifications of the schema" in done.stderr:
        wrong = [line.lstrip("- ") for line in said if line.startswith("- ")] or said[-1:]
        return broken(f"helm/values.yaml does not fit the chart: {'; '.join(wrong)}", "correct it there")
    if "helm/values.yaml" in done.stderr or "execution error" in done.stderr:
        return broken(f"helm/values.yaml does not render: {said[-1]}", "correct it there")
    return unknown(f"{not_checked}{said[-1].removeprefix('Error: ')[:150]}")


def names_known_to(found: dict[str, tuple[str, int]], show: list[str], patience: float) -> Finding:
    """Compare the top-level names with the chart's own: others pass the schema and do nothing."""
    command = [word for word in show if not word.startswith("--values=")]
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        shown = subprocess.run(command, capture_output=True, text=True, check=False, timeout=patience)
        known = read_values(shown.stdout)
        unheard = [
            f"{name} (line {line})"
            for name, (_, line) in found.items()
            if "." not in name and name not in known
        ]
        if known and unheard:
            what = f"helm/values.yaml: the chart has no value {', '.join(unheard)}, and ignores it"
            return broken(what, "correct the name; helm show values lists them")
    return fine("helm/values.yaml fits the chart, and the chart renders")
