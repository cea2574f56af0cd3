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


class Session:
    """A command in a session of its own, on a terminal or on a pipe; a thread reads, nothing waits for ever."""

    def __init__(self, command, project, terminal=False, hang_up=signal.SIG_DFL, **environment):
        """command: words, or a line for the shell."""
        self.here, there = os.openpty() if terminal else os.pipe()
        self.process = subprocess.Popen(
            ["bash", "-c", command] if isinstance(command, str) else [str(word) for word in command],
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
        """Wait until these words are there, or until a function says that it is so."""
        end = time.monotonic() + seconds
        while not (words() if callable(words) else words in self.said):
            assert time.monotonic() < end, self.said
            assert self.process.poll() is None or self.reader.is_alive(), self.said
            time.sleep(0.05)
        return self

    def types(self, text):
        os.write(self.here, text.encode())

    def press(self, key, seconds=120):
        """Press a key and wait for the end; return the status and what was printed from then on."""
        seen, pressed, end = len(self.said), float("-inf"), time.monotonic() + seconds
        while self.process.poll() is None:
            # Again after a while: a Ctrl-C between the prompt and the reading behind it waits for the next key.
            if time.monotonic() - pressed > 10:
                self.types(key)
                pressed = time.monotonic()
            if time.monotonic() > end:
                self.process.kill()
                raise AssertionError(f"it has not ended: {self.said}")
            time.sleep(0.02)
        return self.ended(), self.said[seen:].replace("\r", "")

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
