"""A real OpenSSH server on loopback that serves one repository for reading, as a git host does for a deploy key."""

import getpass
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.servers.ports import free_port

# Like a git host: whatever the key asks for, it gets this repository, and no way to write.
FORCED_COMMAND = """#!/bin/sh
case "$SSH_ORIGINAL_COMMAND" in
  "git-upload-pack '{repository}'") exec git -c safe.directory='*' upload-pack '{repository}' ;;
  git-upload-pack*) echo "ERROR: Repository not found." >&2; exit 128 ;;
  *) echo "ERROR: this deploy key may only read." >&2; exit 1 ;;
esac
"""


class GitSshServer:
    """Start with `with`; `url` is the repository's address, `repository` its bare folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.repository = folder / "my-etl.git"
        self.authorized_keys = folder / "authorized_keys"
        self.process = None
        self.port = None

    @property
    def url(self):
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{self.repository}"

    def __enter__(self):
        subprocess.run(["git", "init", "--quiet", "--bare", self.repository], check=True)
        self.new_host_key("host_key")
        forced = self.folder / "forced.sh"
        forced.write_text(FORCED_COMMAND.format(repository=self.repository))
        self.authorized_keys.touch()
        self.start()
        return self

    def __exit__(self, *error):
        self.stop()

    def new_host_key(self, name):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / name], check=True)
        return (self.folder / f"{name}.pub").read_text().split()[:2]

    def register(self, *public_keys):
        """Make these the only keys that may read."""
        options = f'restrict,command="sh {self.folder}/forced.sh"'
        self.authorized_keys.write_text("".join(f"{options} {key.strip()}\n" for key in public_keys))

    def publish(self, project):
        """Put a project's main branch into the repository, and nothing else."""
        push = ["git", "push", "--quiet", "--force", "--mirror", self.repository]
        subprocess.run(push, cwd=project, check=True, capture_output=True)

    def start(self, port=None):
        """Listen at this port or at a free one."""
        for _ in range(10):
            self.port = port or free_port()
            if self._listens():
                return
        pytest.fail(f"sshd does not listen: {(self.folder / 'sshd.log').read_text()}")

    def _listens(self):
        sshd = shutil.which("sshd") or "/usr/sbin/sshd"
        if not Path(sshd).exists():
            pytest.fail("No sshd: install OpenSSH's server (Debian: apt-get install openssh-server)")
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where sshd drops its privileges
        config, log = self.folder / "sshd_config", self.folder / "sshd.log"
        config.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.folder}/host_key\nPidFile none\n"
            f"AuthorizedKeysFile {self.authorized_keys}\nAllowUsers {getpass.getuser()}\nPermitRootLogin yes\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\nMaxStartups 100\n"
            # Newer servers shut out who fails too often, and failing is what most of these tests do.
            f"{'PerSourcePenalties no' if openssh_version() >= (9, 8) else ''}\n"
        )
        log.write_text("")
        self.process = subprocess.Popen([sshd, "-D", "-f", config, "-E", log])
        while self.process.poll() is None:
            # Its own word for it: at the port, another test's server may answer.
            if f"Server listening on 127.0.0.1 port {self.port}" in log.read_text():
                return True
            time.sleep(0.02)
        return False

    def stop(self):
        self.process.terminate()
        self.process.wait()


def openssh_version():
    words = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True).stderr
    return tuple(map(int, re.search(r"OpenSSH_(\d+)\.(\d+)", words).groups()))
