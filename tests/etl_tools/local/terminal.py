"""Commands as a person has them: at a terminal that may be closed, or with a pipe that may end."""

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import termios
import threading
import time

from tests.conftest import clean_environment


class Command:
    """A shell's command in a session of its own, on a pipe or on a terminal; a thread reads, nothing waits for ever."""

    def __init__(self, command, project, terminal=False, hang_up=signal.SIG_DFL, **environment):
        self.here, there = os.openpty() if terminal else os.pipe()
        self.process = subprocess.Popen(
            ["bash", "-c", command],
            cwd=project,
            env=clean_environment() | environment,
            stdin=there if terminal else subprocess.DEVNULL,
            stdout=there,
            stderr=there,
            start_new_session=True,
            preexec_fn=lambda: start(hang_up, there if terminal else None),
        )
        os.close(there)
        self.said, self.closed = "", False
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        with contextlib.suppress(OSError):  # a terminal's other end is closed
            while not self.closed:
                if select.select([self.here], [], [], 0.1)[0]:
                    if not (block := os.read(self.here, 4096)):
                        break
                    self.said += block.decode()
        os.close(self.here)

    def until(self, words, seconds=120):
        end = time.monotonic() + seconds
        while words not in self.said:
            assert time.monotonic() < end, self.said
            assert self.process.poll() is None or self.reader.is_alive(), self.said
            time.sleep(0.05)
        return self

    def types(self, text):
        os.write(self.here, text.encode())

    def signal(self, number):
        """As a terminal does: to all of them."""
        os.killpg(self.process.pid, number)

    def ended(self):
        status = self.process.wait(timeout=120)
        self.reader.join(10)
        return status


def start(hang_up, terminal):
    signal.signal(signal.SIGHUP, hang_up)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if terminal is not None:
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
