"""Servers as child processes: each in a session of its own, with a log, ended in reverse order."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path


class Servers:
    """The servers of one installation, and their logs in `folder`."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._running = {}

    def start(self, name, command, *, stop=signal.SIGTERM, **options):
        """Start a server; `stop` is the signal that it ends by. Return its Popen."""
        with open(self.folder / f"{name}.log", "ab") as log:
            process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **options,
            )
        self._running[name] = process, stop
        return process

    def run(self, name, command, **options):
        """Run a command to its end, output to a log; a failure shows the log."""
        with open(self.folder / f"{name}.log", "ab") as log:
            done = subprocess.run(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
                **options,
            )
        assert done.returncode == 0, f"{name} ended with {done.returncode}:\n{self.tail(name)}"

    def runs(self, name):
        """Was this server started, and not stopped?"""
        return name in self._running

    def stop(self, name, patience=60):
        """End a server as its pod is ended: by its signal, and by force only if that is not enough."""
        process, number = self._running.pop(name)
        os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def kill(self, name):
        """End a server and all of its children without giving them a chance to tidy up."""
        process, _ = self._running.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop_all(self, patience=20):
        """End all servers, the last one first; whoever needs longer than `patience` seconds is killed."""
        for process, number in reversed(self._running.values()):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
        end = time.monotonic() + patience
        for process, _ in reversed(self._running.values()):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, end - time.monotonic()))
            # The leader may be gone and a child of it still there.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._running.clear()

    def wait_until(self, what, condition, seconds=300, every=0.5):
        """Return what `condition` returns as soon as that is true; when it never is, show every log's end."""
        end = time.monotonic() + seconds
        while not (result := condition()):
            dead = [name for name, (process, _) in self._running.items() if process.poll() is not None]
            if dead or time.monotonic() > end:
                reason = f"{', '.join(dead)} ended" if dead else f"not within {seconds} s"
                logs = "\n".join(f"--- {name}\n{self.tail(name)}" for name in self._running)
                raise AssertionError(f"{what}: {reason}\n{logs}")
            time.sleep(every)
        return result

    def tail(self, name, lines=25):
        """Return the last lines of a server's log."""
        return "\n".join((self.folder / f"{name}.log").read_text(errors="replace").splitlines()[-lines:])
