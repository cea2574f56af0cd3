"""What `make run` shows while DAGs run: the task, how far, what tasks print, and breakpoint()'s prompt."""

from __future__ import annotations

import contextlib
import os
import pdb
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    from airflow.sdk import DAG

EVERY = 10  # seconds, from line to line where there is no terminal
BAR = 20  # characters
LOGGERS = {"airflow", "alembic", "logging", "structlog"}


class Printed:
    """Standard output, whose lines go to the terminal as well as to the log; but for those of loggers."""

    def __init__(self, write: Callable[[str], None], log: TextIO) -> None:
        self._write, self._log, self._rest = write, log, ""

    def write(self, text: str) -> int:
        if sys._getframe(1).f_globals.get("__name__", "").partition(".")[0] in LOGGERS:
            return self._log.write(text)
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._write(f"  {line}")
        return self._log.write(text)

    def end(self) -> None:
        if self._rest:
            self.write("\n")
        self._log.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


class Progress:
    """A last line that is written again and again; where nobody watches, a line now and then."""

    def __init__(self, say: TextIO, quiet: bool = False) -> None:
        """quiet: the terminal is the log's and the debugger's."""
        self.say, self.quiet, self.terminal = say, quiet, say.isatty()
        self.total = self.done = self.begun = 0
        self.label = self.at = ""
        self.started = self.shown = 0.0
        self.lock = threading.RLock()

    @contextlib.contextmanager
    def of(self, dags: Sequence[DAG]) -> Iterator[None]:
        """Show it while these DAGs run."""
        self.total = sum(len(dag.tasks) for dag in dags)
        ended = threading.Event()
        thread = threading.Thread(target=self._keep_on, args=[ended], daemon=True)
        if not self.quiet:
            thread.start()
        try:
            yield
        finally:
            ended.set()
            if thread.ident:
                thread.join()

    @contextlib.contextmanager
    def run(self, label: str, tasks: int) -> Iterator[None]:
        """Show what the tasks of this run print, and let breakpoint() have the terminal."""
        self.label, self.at, self.begun = label, "", 0
        self.started = self.shown = time.monotonic()
        output, hook = sys.stdout, sys.breakpointhook
        if not self.quiet:
            # It has all that a TextIO has: the log's.
            sys.stdout = cast("TextIO", Printed(self.write, output))
            sys.breakpointhook = self.prompt
        try:
            yield
        finally:
            end_line()
            sys.stdout, sys.breakpointhook = output, hook
            self.label = ""
            self.done += tasks

    def task(self, context: Mapping[str, Any]) -> None:
        """A callback of Airflow: a task begins."""
        end_line()
        task = context["ti"]
        self.at = task.task_id if (task.map_index or 0) < 1 else f"{task.task_id} {task.map_index + 1}"
        self.begun += 1
        self.draw()

    def write(self, text: str) -> None:
        with self.lock:
            print(f"{self.clear()}{text}", file=self.say, flush=True)

    def clear(self) -> str:
        return "\r\033[K" if self.terminal and not self.quiet else ""

    def draw(self) -> None:
        if not self.label or self.quiet:
            return
        now = time.monotonic()
        seconds = f"{now - self.started:.0f} s"
        with self.lock:
            if not self.terminal:
                if now > self.shown + EVERY:
                    self.shown = now
                    print(f"{self.label}  {self.at} ... {seconds}", file=self.say, flush=True)
                return
            done = min(self.done + max(self.begun - 1, 0), self.total)
            full = BAR * done // (self.total or 1)
            bar = f"{'#' * full}{'-' * (BAR - full)} {done}/{self.total}"
            line = f"{bar}  {self.label}  {self.at} ... {seconds}"
            with contextlib.suppress(OSError):
                line = line[: (os.get_terminal_size(self.say.fileno()).columns or 80) - 1]
            print(f"{self.clear()}{line}", end="", file=self.say, flush=True)

    def _keep_on(self, ended: threading.Event) -> None:
        while not ended.wait(0.2):
            self.draw()
        with self.lock:
            print(self.clear(), end="", file=self.say, flush=True)

    def prompt(self, *arguments: object, **named: object) -> None:
        """breakpoint(), with the terminal for its prompt."""
        if os.environ.get("PYTHONBREAKPOINT"):  # another debugger, or none
            sys.__breakpointhook__(*arguments, **named)
            return
        if not (self.terminal and sys.stdin.isatty()):
            raise RuntimeError("breakpoint() needs a terminal; here, take it out or set PYTHONBREAKPOINT=0")
        end_line()
        label, self.label = self.label, ""
        self.write(f"{label}  {self.at}: breakpoint(); c goes on")
        debugger = pdb.Pdb(stdout=self.say, nosigint=True)
        debugger.use_rawinput = False
        self.at = f"{self.at} (debugged)"
        debugger.set_trace(sys._getframe(1))


def end_line() -> None:
    """Show what a task has printed without a line end, where tasks print to Printed."""
    output: object = sys.stdout
    if isinstance(output, Printed):
        output.end()
