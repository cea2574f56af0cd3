"""A clone with what the rendered git-sync container gets: its environment, its mounted key, its known hosts."""

import base64
import shlex
import subprocess

import pytest
import yaml

from tests.conftest import clean_environment, secret_manifests
from tests.etl_tools.cluster import helm_chart
from tests.etl_tools.in_process import etl
from tests.servers.git_ssh_server import GitSshServer

pytestmark = pytest.mark.servers


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "server"
    folder.mkdir()
    with GitSshServer(folder) as running:
        yield running


@pytest.fixture(params=["ed25519", "rsa-4096"])
def project(request, server, bake_fresh):
    """A project that is pushed, with its deploy key registered and the server's key confirmed."""
    project = bake_fresh(git_repo=server.url, __deploy_key_type=request.param)
    etl(project, "known-hosts", answer="y\n")
    etl(project, "keys")
    for command in (["add", "--all"], ["commit", "--quiet", "-m", "Begin"]):
        subprocess.run(["git", *command], cwd=project, check=True)
    server.publish(project)
    server.register((project / "secrets/deploy_key.pub").read_text())
    return project


def container(project):
    """The git-sync container of the DAG processor, its pod, and the chart's objects that it takes files from."""
    values = yaml.safe_load((project / "helm/values.yaml").read_text())
    if helm_chart.chart_path() is None:
        return as_the_chart_does(values["dags"]["gitSync"])
    objects = helm_chart.objects(helm_chart.render(values))
    spec = helm_chart.pod_specs(objects)["dag-processor"]
    return next(item for item in spec["containers"] if item["name"] == "git-sync"), spec, objects


def as_the_chart_does(git_sync):
    """Where the chart is not at hand: the part of its rendering that a clone depends on, written down by hand."""
    environment = {
        "GITSYNC_REPO": git_sync["repo"],
        "GITSYNC_REF": git_sync["ref"],
        "GITSYNC_DEPTH": str(git_sync["depth"]),
        "GITSYNC_SSH_KEY_FILE": "/etc/git-secret/ssh",
        "GITSYNC_SSH_KNOWN_HOSTS": "true",
        "GITSYNC_SSH_KNOWN_HOSTS_FILE": "/etc/git-secret/known_hosts",
    }
    mounts = [
        {"name": "git-sync-ssh-key", "mountPath": "/etc/git-secret/ssh", "subPath": "gitSshKey"},
        {"name": "config", "mountPath": "/etc/git-secret/known_hosts", "subPath": "known_hosts"},
    ]
    volumes = [
        {"name": "git-sync-ssh-key", "secret": {"secretName": git_sync["sshKeySecret"]}},
        {"name": "config", "configMap": {"name": "airflow-config"}},
    ]
    environment = [{"name": name, "value": value} for name, value in environment.items()]
    config_map = {"kind": "ConfigMap", "data": {"known_hosts": git_sync["knownHosts"]}}
    return {"env": environment, "volumeMounts": mounts}, {"volumes": volumes}, [config_map]


def mounted(container, spec, objects, project, folder):
    """Write each file that is mounted by subPath as Kubernetes would; return path in the container → path here."""
    secrets = {
        item["metadata"]["name"]: {key: base64.b64decode(value) for key, value in item["data"].items()}
        for item in secret_manifests(project)
    }
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    paths = {}
    for mount in container["volumeMounts"]:
        if "subPath" not in mount:
            continue
        volume = volumes[mount["name"]]
        if "secret" in volume:
            content = secrets[volume["secret"]["secretName"]][mount["subPath"]]
        else:
            content = helm_chart.config_map(objects, mount["subPath"]).encode()
        path = folder / mount["mountPath"].lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        # In the pod the file is root's and its reader is not, so ssh does not mind that a group may read it.
        path.chmod(0o400)
        paths[mount["mountPath"]] = path
    return paths


def clone(project, folder):
    """Clone as git-sync does: ssh with the key and known hosts of its environment, one branch, its depth."""
    sidecar, spec, objects = container(project)
    environment = {item["name"]: item["value"] for item in sidecar["env"] if "value" in item}
    paths = mounted(sidecar, spec, objects, project, folder)
    key = paths[environment["GITSYNC_SSH_KEY_FILE"]]
    hosts = paths[environment["GITSYNC_SSH_KNOWN_HOSTS_FILE"]]
    assert environment["GITSYNC_SSH_KNOWN_HOSTS"] == "true"
    ssh = ["ssh", "-i", key, "-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={hosts}"]
    # A laptop has an agent, settings and keys of its own, which a container has not.
    alone = ["-F", "/dev/null", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"]
    alone += ["-o", "GlobalKnownHostsFile=/dev/null", "-o", "BatchMode=yes"]
    command = ["git", "clone", "--quiet", "--depth", environment["GITSYNC_DEPTH"]]
    command += ["--branch", environment["GITSYNC_REF"], environment["GITSYNC_REPO"], folder / "git"]
    return subprocess.run(
        command,
        env=clean_environment() | {"GIT_SSH_COMMAND": shlex.join(map(str, ssh + alone))},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_container_clones_the_dags(project, tmp_path):
    done = clone(project, tmp_path)
    assert done.returncode == 0, done.stderr
    values = yaml.safe_load((project / "helm/values.yaml").read_text())
    assert (tmp_path / "git" / values["dags"]["gitSync"]["subPath"] / "extract.py").exists()


def test_the_deploy_key_cannot_push(project, server, tmp_path):
    assert clone(project, tmp_path).returncode == 0
    ssh = f"ssh -F /dev/null -i {project}/secrets/deploy_key -o UserKnownHostsFile={project}/helm/known_hosts"
    done = subprocess.run(
        ["git", "push", "origin", "HEAD:refs/heads/other"],
        cwd=tmp_path / "git",
        env=clean_environment() | {"GIT_SSH_COMMAND": ssh},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "may only read" in done.stderr


def test_an_impostor_is_refused(project, server, tmp_path):
    """Another machine answers at the address: other host keys, the same repository, any key welcome."""
    port = server.port
    server.stop()
    for path in server.folder.glob("host_key*"):
        path.unlink()
    server.new_host_key("host_key")
    server.start(port)
    done = clone(project, tmp_path)
    assert done.returncode != 0
    assert "Host key verification failed" in done.stderr


def test_a_key_that_is_not_registered_is_refused(project, server, tmp_path):
    server.register()
    done = clone(project, tmp_path)
    assert done.returncode != 0
    assert "Permission denied (publickey)" in done.stderr
