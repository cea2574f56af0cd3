"""A private git server: Debian's sshd, with one repository, a key that may only read it and one that may write."""

import getpass
import os
import shlex
import shutil
import subprocess
from pathlib import Path

from tests.servers.ports import free_port, listening

SCRIPT = """#!/bin/sh
# What a key may run, whatever it asks for.
case "$SSH_ORIGINAL_COMMAND" in
  git-upload-pack*) exec git upload-pack {repository} ;;
  git-receive-pack*) {on_push} ;;
esac
echo "This key is for git." >&2
exit 1
"""


class GitServer:
    """sshd on a free port for the user that runs the tests; a key is registered like on any git server's page."""

    def __init__(self, folder, servers):
        self.folder, self.servers, self.port = Path(folder), servers, free_port()
        self.folder.mkdir(parents=True)
        self.repository = self.folder / "quakes.git"
        self.url = f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}/srv/git/quakes.git"
        self.authorized_keys = self.folder / "authorized_keys"
        self.authorized_keys.touch()

    def start(self):
        """Make host key and repository, and start sshd."""
        git = ["git", "-c", "init.defaultBranch=main", "init", "--quiet", "--bare", str(self.repository)]
        subprocess.run(git, check=True)
        self.new_key("host_key")
        configuration = self.folder / "sshd_config"
        lines = [
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {self.folder}/host_key",
            f"PidFile {self.folder}/sshd.pid",
            f"AuthorizedKeysFile {self.authorized_keys}",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin forced-commands-only",
            "UsePAM no",
            # The folders above are not only the user's to write to.
            "StrictModes no",
        ]
        configuration.write_text("\n".join(lines) + "\n")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        # By its full path: sshd insists on that.
        program = shutil.which("sshd") or "/usr/sbin/sshd"
        self.servers.start(f"sshd-{self.port}", [program, "-D", "-e", "-f", configuration])
        self.servers.wait_until("sshd answers", lambda: listening(self.port))
        return self

    def new_key(self, name):
        """Make a key pair in the server's folder and return the private half's path."""
        path = self.folder / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
        return path

    def register(self, public_key, *, may_write=False):
        """Let the owner of a public key read the repository, or write to it too."""
        on_push = 'echo "This deploy key may only read." >&2; exit 1'
        if may_write:
            on_push = f"exec git receive-pack {shlex.quote(str(self.repository))}"
        script = self.folder / ("may_write.sh" if may_write else "may_read.sh")
        script.write_text(SCRIPT.format(repository=shlex.quote(str(self.repository)), on_push=on_push))
        script.chmod(0o755)
        with open(self.authorized_keys, "a") as file:
            file.write(f'restrict,command="{script}" {public_key.strip()}\n')
