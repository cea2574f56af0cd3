"""The cluster: its Secrets, its pods, what the container that fetches DAGs says, what Airflow lists."""

import json
import re
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from typing import TypeVar

import yaml

from etl_tools import answers
from etl_tools.cluster import apply_secrets
from etl_tools.cluster.doctor import Finding, broken, fine, unknown
from etl_tools.cluster.doctor.dags import connection_id, connections, no_import
from etl_tools.cluster.doctor.repository import explained
from etl_tools.cluster.helm_values import merged, named_secrets
from etl_tools.cluster.kubectl import ClusterError, Item, WrongClusterError, command, helm, kubectl, show_cluster
from etl_tools.cluster.pods import Pod, pods
from etl_tools.secrets.manifests import CONNECTIONS, Secrets, secret_data

KUBECTL = " ".join(command("kubectl"))
API_SERVER = f"deployment/{answers.RELEASE}-api-server"
RESTART = f"{KUBECTL} rollout restart deployment,statefulset -l release={answers.RELEASE}"
# Airflow keeps the DAGs whose file has gone, as stale ones.
DAGS = "dags list --columns dag_id,is_paused,is_stale,timetable_summary"
Answer = TypeVar("Answer")
# A check that yields findings, and returns what others need to know.
Look = Generator[Finding, None, Answer]
BY_GIT_SYNC = answers.DAG_DELIVERY == "git-sync"


def cluster_state() -> Iterator[Finding]:
    """Look at the Secrets, at the pods, and, where Airflow runs, at what it knows."""
    known, there = None, None
    where: list[str] = []
    try:
        show_cluster(where.append)
        yield fine(where[0])
        found = pods()
        # Not everybody may read Secrets; what one of these cannot see is no reason not to look at the others.
        there = yield from looked("the Secrets", cluster_secrets, found)
        yield from looked("the pods", pod_problems, found)
        if found and shutil.which(command("helm")[0]):  # chart() reports that it is missing
            yield from looked("what the release should have", deleted)
        if any(pod.ready for pod in found if "-api-server-" in pod.name):
            errors = yield from looked("import errors", import_errors)
            yield from looked("DAGs", dags_in_airflow, errors)
            in_database = yield from looked("connections in Airflow's database", stored_connections)
            if there is not None and in_database is not None:
                known = {*in_database, *(connection_id(key) for _, key in there)}
    except WrongClusterError as problem:
        what, _, fix = str(problem).partition(" Nothing was changed. ")
        yield broken(what, fix)
    except ClusterError as problem:
        yield unknown(f"the cluster: {problem}")
    yield from connections(known)


def looked(what: str, check: Callable[..., Look[Answer]], *words: object) -> Look[Answer | None]:
    """Yield what a check finds, return what it returns; that it cannot look is a finding, and None."""
    try:
        return (yield from check(*words))
    except (ClusterError, KeyError, ValueError, yaml.YAMLError) as problem:
        yield unknown(f"{what}: {' '.join(str(problem).split())}")
        return None


def cluster_secrets(found: list[Pod]) -> Look[Secrets]:
    """Compare the Secrets of the values and of secrets/ with the cluster's; return these."""
    try:
        here = secret_data()
    except (OSError, ValueError):  # a checkout without keys: only names and their keys can be asked for
        here = {}
    named = {**dict.fromkeys(named_secrets(merged())), **here}
    there = apply_secrets.in_cluster([*(name for name, _ in named), CONNECTIONS])
    if not found and not there:
        return there  # nothing is deployed, as pod_problems() reports
    problems: list[Finding] = []
    missing: dict[str, list[str]] = {}
    waits: dict[str, list[str]] = {}
    for name, key in named:
        if not there.get((name, key)) and name != CONNECTIONS:
            missing.setdefault(name, []).append(key)
    for pod in found:
        waits.setdefault(pod.secret, []).append(pod.name)
    if missing:
        pods_of = {name: ", ".join(waits.get(name, ["no pod"])) for name in missing}
        words = [f"{name} ({', '.join(missing[name])}; waiting for it: {pods_of[name]})" for name in missing]
        fix = "make secrets" if here else "in the checkout that has the keys: make secrets"
        fix += f" && {RESTART}" if missing.keys() & {name for name, _ in there} else ""
        problems.append(broken(f"namespace {answers.NAMESPACE} lacks the Secret {', '.join(words)}", fix))
    hosts = (f"{answers.SLUG}-git-ssh", "known_hosts")
    if hosts in here and there.get(hosts, here[hosts]) != here[hosts]:
        what = "the cluster's Secrets have other keys of the git server than helm/known_hosts"
        problems.append(broken(what, f"make secrets && {RESTART}"))
    if rows := apply_secrets.differences(here, there):
        differ = ", ".join(f"{name} ({key}: {what})" for (name, key), what in rows.items())
        names = {name for name, _ in rows}
        overwrite = f"OVERWRITE={names.pop() if len(names) == 1 else 'yes'} make secrets && {RESTART}"
        safe = "make keys-from-cluster, to work with those that Airflow uses; or, if it may lose what they "
        safe += "open (database, git): "
        fix = overwrite if set(rows.values()) == {"encoded twice"} else safe + overwrite
        problems.append(broken(f"not what {answers.in_secrets('')}/ holds: the Secrets {differ}", fix))
    compared = "content" if here else "content not compared, as there are no keys here"
    good = f"the cluster has each Secret, with the right keys and {compared}"
    yield from problems or [fine(good)]
    return there


def pod_problems(found: list[Pod]) -> Look[None]:
    """One cause, one finding: pods that say the same share it; who waits for a Secret is named with that."""
    if not found:
        what = f"nothing of release {answers.RELEASE} runs in namespace {answers.NAMESPACE}"
        yield broken(what, "make deploy")
    elif all(pod.ready for pod in found):
        yield fine(f"pods of release {answers.RELEASE}: {len(found)}, all of them ready")
    groups: dict[str | tuple[str, str], list[Pod]] = {}
    for pod in [pod for pod in found if not (pod.ready or pod.secret)]:
        fetches = pod.failed.startswith("git-sync") or pod.words == "runs git-sync-init"
        cause = "volume" if pod.cause[0] == "volume" else pod.cause if pod.cause[0] else pod.words[:200]
        groups.setdefault("git-sync" if fetches else cause, []).append(pod)
    for cause, group in groups.items():
        first, names = group[0], ", ".join(pod.name for pod in group)
        if cause == "git-sync":
            first = next((pod for pod in group if pod.failed), first)
            said = fetching(first, first.failed or "git-sync-init", names)
            yield said
            if said.ok:  # that it says no error does not make it ready
                yield unknown(f"not ready yet: {names}: {first.words}", "make status, after a while")
        elif first.cause[0]:
            yield broken(*shared(group, names))
        elif first.failed:
            last = (last_words(first, first.failed) or ["nothing"])[-1]
            fix = f"{KUBECTL} logs {first.name} -c {first.failed} --previous"
            yield broken(f"not ready: {names}: {first.words[:200]}; its last words: {last[:200]}", fix)
        elif first.words.startswith(("runs ", "starts", "at work")):
            yield waiting(first, f"{names}: {first.words}")
        else:
            yield broken(f"not ready: {names}: {first.words[:200]}", f"{KUBECTL} describe pod {first.name}")
    processors = [pod for pod in found if "-dag-processor-" in pod.name and has_begun(pod)]
    if processors and "git-sync" not in groups:
        pod = processors[0]
        yield fetching(pod, "git-sync" if BY_GIT_SYNC else "dag-processor", pod.name)


def has_begun(pod: Pod) -> bool:
    """Is there a container that could have logged something?"""
    nothing_yet = pod.cause[0] or pod.words.startswith(("waits", "no place", "runs "))
    return not (pod.secret or nothing_yet)


def deleted() -> Look[None]:
    """Compare what Helm made with what there is: nothing else brings back what somebody deleted."""
    manifest = yaml.safe_load_all(helm("get", "manifest", answers.RELEASE, timeout=30))
    wanted = {
        f"{item['kind'].lower()}.apps/{item['metadata']['name']}"
        for item in manifest
        if item and item["kind"] in ("Deployment", "StatefulSet")
    }
    there = kubectl("get", "deployments,statefulsets", "--output=name", timeout=30).split()
    if missing := sorted(wanted.difference(there)):
        yield broken(f"the release should have {', '.join(missing)}, and somebody deleted it", "make deploy")


def waiting(pod: Pod, what: str) -> Finding:
    """Tell a pod that takes its time from one that waits for what never comes: a database, for one."""
    container = pod.words.removeprefix("runs ")
    lines: list[str] = []
    with suppress(ClusterError):  # not ready yet, is then all that is known
        lines = log(pod.name, container) if container != pod.words else []
    if errors := [line for line in lines if re.search(r"Error\b|FATAL|could not|refused", line)]:
        fix = f"{KUBECTL} logs {pod.name} -c {container}"
        return broken(f"not ready: {what}; its last error: {errors[-1].strip()[:200]}", fix)
    return unknown(f"not ready yet: {what}", "make status, after a while")


def shared(group: list[Pod], names: str) -> tuple[str, str]:
    """Return what pods with the same cause have (Pod.cause), and the way out."""
    first, (kind, about) = group[0], group[0].cause
    not_ready = f"not ready: {names}: {first.words}"
    describe = f"{KUBECTL} describe {first.name}"
    if kind == "stale":
        what = f"pods of an older revision are not ready, and the new ones wait for them: {names}"
        return what, f"{KUBECTL} delete pod {' '.join(pod.name for pod in group)}"
    if kind == "image":
        fix = "correct the tag in helm/values.yaml, or build and push it: make image; from a private registry: "
        fix += f"{KUBECTL} create secret docker-registry, and imagePullSecrets in helm/values.yaml"
        why = first.words.rpartition("ErrImagePull: ")[2][-150:]
        return f"the image {about} cannot be pulled ({names}): {why}", fix
    if kind == "memory":
        return not_ready, f"raise resources.limits.memory of {about} in helm/values.yaml, then make deploy"
    if kind == "volume":
        fix = "name one of them in helm/ (storageClassName), or have one made the default"
        claims = sorted({claim for pod in group for claim in pod.cause[1].split(", ")})
        what = f"not ready: {names}: no volume yet for {', '.join(claims)}{why_no_volume(claims)}"
        return what, f"{KUBECTL} get storageclass; {fix}"
    if kind == "node":
        return f"the node {about} does not answer: {names}", f"{KUBECTL} describe node {about}"
    if kind == "job":
        return f"{names}: {first.words}", f"make deploy makes it again; meanwhile {describe}"
    if kind == "paused":
        return f"{names}: {first.words}", f"{KUBECTL} rollout resume {first.name}"
    fix = describe
    if "PodSecurity" in about:
        fix = "set securityContexts that it allows in helm/values.yaml, then make deploy; or have whoever runs "
        fix += f"the cluster allow more: kubectl label namespace {answers.NAMESPACE} --overwrite "
        fix += "pod-security.kubernetes.io/enforce=baseline"
    elif "quota" in about:
        fix = f"{KUBECTL} describe resourcequota; ask for less in helm/values.yaml, or have it raised"
    return f"pods are missing, the cluster refuses them: {names}: {first.words}", fix


def why_no_volume(claims: list[str]) -> str:
    """Return what an event says about the first of these claims that has one, after a colon."""
    warnings: dict[str, str] = {}
    with suppress(ClusterError):  # not everybody may list events
        only = "--field-selector=involvedObject.kind=PersistentVolumeClaim,type=Warning"
        shown = json.loads(kubectl("get", "events", only, "--output=json", timeout=30))["items"]
        warnings = {event["involvedObject"]["name"]: f": {event['message']}" for event in shown}
    return next((warnings[claim] for claim in claims if claim in warnings), "")


def log(pod: str, container: str, *window: str) -> list[str]:
    """Return the last lines of a container; of one that waits to be started again, those of its last run."""
    return kubectl("logs", pod, "-c", container, "--tail=200", *window, timeout=10).strip().splitlines()


def last_words(pod: Pod, container: str) -> list[str]:
    """Return a container's log; that it cannot be read must not hide the findings about other pods."""
    try:
        return log(pod.name, container)
    except ClusterError as problem:
        return [f"(its log cannot be read: {problem})"]


def fetching(pod: Pod, container: str, names: str) -> Finding:
    """Read what the container says that fetches the DAGs."""
    try:
        lines = log(pod.name, container, *(["--since=5m"] if pod.ready else []))
    except ClusterError as problem:
        return unknown(f"what {container} says: {problem}")
    signs = ('"error":',) if BY_GIT_SYNC else ("GitCommandError", "fatal:")
    errors = [line for line in lines if any(sign in line for sign in signs)]
    # The last of them, "too many failures, aborting", says nothing; those before it do.
    errors = [line for line in errors if "too many failures" not in line] or errors
    errors = errors or (lines[-5:] if pod.failed else [])
    if not errors:
        return fine(f"{container} in {names} reports no error")
    what, fix = explained("\n".join(errors))
    # Where the git server refuses this checkout, too, repository() reports it.
    return broken(f"{container} in {names}: {what}", fix, cause=what)


def is_true(word: object) -> bool:
    return str(word).lower() == "true"


def airflow_table(words: str) -> list[Item]:
    """Run an airflow command in the cluster and return its table. ClusterError if it prints none."""
    # `list-import-errors` fails when it has something to list.
    script = f"airflow {words} --output json || true"
    printed = kubectl("exec", API_SERVER, "--container=api-server", "--", "sh", "-c", script, timeout=90)
    # Log lines may come first, and may start with a bracket, too; an empty table is [].
    for start in [match.start() for match in re.finditer(r"^\[", printed, re.MULTILINE)]:
        with suppress(ValueError):
            table: list[Item]
            table, _ = json.JSONDecoder().raw_decode(printed, start)
            if all(isinstance(row, dict) for row in table):
                return table
    if "No data found" in printed:
        return []
    raise ClusterError(f"airflow {words} prints no table: {printed.strip()[-200:]}")


def import_errors() -> Look[bool]:
    """Ask Airflow which files it cannot import; return whether there are any."""
    errors = airflow_table("dags list-import-errors")
    for error in errors:
        words = str(error.get("error") or error.get("stacktrace") or "?").strip().splitlines()[-1]
        yield no_import(f"Airflow cannot import {error.get('filepath', 'a file')}: {words}", "make test")
    return bool(errors)


def dags_in_airflow(errors: bool | None) -> Look[None]:
    """Ask Airflow which DAGs it has, which are off; ``errors``: some files could not be imported."""
    dags = [dag for dag in airflow_table(DAGS) if not is_true(dag.get("is_stale"))]
    if not dags and not errors:
        yield broken("Airflow knows no DAG yet", "wait a minute; then see what pods have: make pod-dags")
    for dag in [dag for dag in dags if is_true(dag.get("is_paused"))]:
        name = dag["dag_id"]
        fix = f"{KUBECTL} exec {API_SERVER} -- airflow dags unpause {name}"
        if "Partitioned Asset" in str(dag.get("timetable_summary")):
            fix += "; days that another DAG published meanwhile it does not make up for: "
            fix += f"""make trigger DAG={name} CONF='{{"partition": "DAY"}}'"""
        yield broken(f"the DAG {name} is paused: it shows up and does not run", fix)
    if dags and errors is False:
        yield fine(f"Airflow lists {', '.join(sorted(dag['dag_id'] for dag in dags))}")


def stored_connections() -> Look[list[str]]:
    """Return the connections that Airflow's database holds."""
    yield from ()
    return [row["conn_id"].lower() for row in airflow_table("connections list")]
