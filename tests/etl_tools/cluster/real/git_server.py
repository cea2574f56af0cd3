"""A git server over SSH, for a pod of the image that Airflow runs in: git_server.py FOLDER PORT [HOST].

Serves FOLDER/quakes.git. FOLDER/authorized_keys has a line for each public key that may log in, with `reads` or
`writes` before it, and is read at each login: as at a git host, a deploy key reads and a person's key writes. The
image has git and asyncssh.
"""

import asyncio
import shlex
import subprocess
import sys
from pathlib import Path

import asyncssh

FOLDER, PORT = Path(sys.argv[1]), int(sys.argv[2])
REPOSITORY = FOLDER / "quakes.git"
HOST_KEY = FOLDER / "host_key"
PROGRAMS = {"git-upload-pack": "upload-pack", "git-receive-pack": "receive-pack"}


def role(key):
    """Return what a key may do, or None."""
    kind, text = key.export_public_key().decode().split()[:2]
    for line in (FOLDER / "authorized_keys").read_text().splitlines():
        if line.split()[1:3] == [kind, text]:
            return line.split()[0]
    return None


class Login(asyncssh.SSHServer):
    def connection_made(self, connection):
        self.connection = connection

    def public_key_auth_supported(self):
        return True

    def validate_public_key(self, username, key):
        self.connection.set_extra_info(role=role(key))
        return role(key) is not None


async def serve(process):
    """Run git for one request, or say no in a git host's words."""
    name, *words = shlex.split(process.command or "")[:2] or [""]
    if name not in PROGRAMS or words != [f"/{REPOSITORY.name}"]:
        process.stderr.write(b"ERROR: Repository not found.\n")
        return process.exit(128)
    if name == "git-receive-pack" and process.get_extra_info("role") != "writes":
        process.stderr.write(b"ERROR: this deploy key may only read.\n")
        return process.exit(1)
    piped = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    child = await asyncio.create_subprocess_exec("git", PROGRAMS[name], str(REPOSITORY), **piped)
    await process.redirect(stdin=child.stdin, stdout=child.stdout, stderr=child.stderr)
    status = await child.wait()
    await process.stdout.drain()
    return process.exit(status)


async def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "authorized_keys").touch()
    if not REPOSITORY.exists():
        subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", REPOSITORY], check=True)
        # One of the breakages deletes the branch.
        subprocess.run(["git", "-C", REPOSITORY, "config", "receive.denyDeleteCurrent", "ignore"], check=True)
    if not HOST_KEY.exists():
        asyncssh.generate_private_key("ssh-ed25519").write_private_key(HOST_KEY)
    host = sys.argv[3] if len(sys.argv) > 3 else ""
    options = {"server_host_keys": [HOST_KEY], "server_factory": Login, "process_factory": serve, "encoding": None}
    await asyncssh.listen(host, PORT, **options)
    print(f"listening at {PORT}", flush=True)
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main())
