"""What the git-sync container does with the environment that the chart gives it: a worktree per commit, and a link."""

import os
import re
import shlex
import shutil
import subprocess
import threading
import time
from pathlib import Path


def seconds(duration):
    """Return a Go duration, such as 30s or 1m30s, in seconds."""
    units = {"h": 3600, "m": 60, "s": 1, "ms": 0.001}
    parts = re.findall(r"([\d.]+)(ms|h|m|s)", duration)
    assert parts, f"no duration: {duration!r}"
    return sum(float(number) * units[unit] for number, unit in parts)


class GitSync:
    """Follows the repository from a thread, or by the real git-sync where that is on PATH."""

    def __init__(self, environment, servers):
        self.environment, self.servers = environment, servers
        self.root = Path(environment["GITSYNC_ROOT"])
        self.link = self.root / environment["GITSYNC_LINK"]
        self.period = seconds(environment["GITSYNC_PERIOD"])
        self.failures = []
        self._end = threading.Event()
        self._thread = None

    def start(self):
        """Check out once, as the chart's init container does, then go on every period."""
        self.root.mkdir(parents=True, exist_ok=True)
        if shutil.which("git-sync"):
            # The name of the user is looked up in /etc/passwd, which the container may add to; the tests must not.
            unset = {"GITSYNC_ADD_USER": "false", "GIT_SYNC_ADD_USER": "false", "GITSYNC_HTTP_BIND": ""}
            self.servers.start("git-sync", ["git-sync"], env=os.environ | self.environment | unset)
            self.servers.wait_until("git-sync's first checkout", self.link.exists)
        else:
            self.sync()
            self._end.clear()
            self._thread = threading.Thread(target=self._follow, name="git-sync", daemon=True)
            self._thread.start()
        return self

    def stop(self):
        """Stop following; start() goes on."""
        self._end.set()
        if self._thread:
            self._thread.join(60)
        elif self.servers.runs("git-sync"):
            self.servers.stop("git-sync")

    def _follow(self):
        while not self._end.wait(self.period):
            try:
                self.sync()
            except subprocess.CalledProcessError as problem:
                self.failures.append(f"{time.ctime()}: {problem.cmd}: {problem.stderr}")

    def sync(self):
        """Bring the checkout to the newest commit; readers see the old one or the new one, never half of one."""
        repository, ref = self.environment["GITSYNC_REPO"], self.environment["GITSYNC_REF"]
        found = self.git("ls-remote", "--quiet", repository, ref).split()
        assert found, f"{repository} has no {ref}"
        commit = found[0]
        worktree = self.root / ".worktrees" / commit
        if self.link.resolve() == worktree:
            return commit
        if not (self.root / ".git").exists():
            self.git("init", "--quiet", "--initial-branch=git-sync")
        depth = self.environment["GITSYNC_DEPTH"]
        self.git("fetch", "--quiet", "--no-auto-gc", f"--depth={depth}", repository, commit)
        self.git("worktree", "add", "--quiet", "--force", "--detach", str(worktree), commit)
        old = self.link.resolve() if self.link.is_symlink() else None
        new_link = self.root / ".new-link"
        new_link.unlink(missing_ok=True)
        new_link.symlink_to(worktree.relative_to(self.root))
        os.replace(new_link, self.link)
        if old:
            self.git("worktree", "remove", "--force", str(old))
        return commit

    def git(self, *arguments):
        """Run git with this key and these host keys, and nothing of the user's own settings."""
        known_hosts = ["-o", "StrictHostKeyChecking=no"]
        if self.environment.get("GITSYNC_SSH_KNOWN_HOSTS") == "true":
            file = self.environment["GITSYNC_SSH_KNOWN_HOSTS_FILE"]
            known_hosts = ["-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={file}"]
        ssh = ["ssh", "-F", "/dev/null", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", *known_hosts]
        ssh += ["-i", self.environment["GITSYNC_SSH_KEY_FILE"]]
        ours = {"PATH": os.environ["PATH"], "HOME": str(self.root), "GIT_CONFIG_GLOBAL": "/dev/null"}
        ours |= {"GIT_SSH_COMMAND": shlex.join(ssh), "GIT_TERMINAL_PROMPT": "0"}
        command = ["git", "-C", str(self.root), *arguments]
        return subprocess.run(command, env=ours, check=True, capture_output=True, text=True).stdout
