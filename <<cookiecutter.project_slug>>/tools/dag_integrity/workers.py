"""Worker processes: forked from one that has Airflow loaded, watched, and replaced when they die or hang."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Any, NamedTuple

from .source import Outline

# A worker gets its next job before it has answered the last, so that it never waits.
AHEAD = 2
# What a killed file is given beyond the time limit that Airflow itself sets.
GRACE = 5


class Job(NamedTuple):
    """One parse of one file. `alone`: in its own process, for it imports more than Airflow has loaded."""

    outline: Outline
    second: bool = False
    alone: bool = False
    with_json: bool = False
    count: bool = False

    @property
    def path(self) -> Path:
        return self.outline.path


class Death(NamedTuple):
    """A worker's end instead of an outcome; it has no DAGs to show."""

    why: str
    timed_out: bool
    dags: tuple = ()
    read: tuple = ()
    read_by_modules: tuple = ()
    milliseconds: float = 0


class Worker:
    """A forked process that does jobs of one kind."""

    def __init__(self, second: bool, make_parser: Callable[[bool], Any]) -> None:
        self.second = second
        self.jobs: deque[Job] = deque()
        self.since = time.monotonic()
        ours, theirs = Pipe()
        sys.stdout.flush()
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", DeprecationWarning
            )  # Airflow started no thread that could hold a lock
            self.pid = os.fork()
        if self.pid == 0:
            ours.close()
            _work(theirs, second, make_parser)
        theirs.close()
        self.connection = ours

    def give(self, job: Job) -> None:
        if not self.jobs:
            self.since = time.monotonic()
        self.jobs.append(job)
        with contextlib.suppress(BrokenPipeError):  # it has just ended, as the next answer tells
            self.connection.send(job)

    def end(self) -> int:
        """Kill the process, which has nothing left to say, and return how it ended."""
        self.connection.close()
        os.kill(self.pid, signal.SIGKILL)
        return os.waitpid(self.pid, 0)[1]


def _work(connection: Connection, second: bool, make_parser: Callable[[bool], Any]) -> None:
    """The life of a worker process."""
    code = 1
    try:
        parser = make_parser(second)
        while True:
            job = connection.recv()
            outcome = parser.parse(job.outline, job.with_json, job.count)
            connection.send(outcome)
            if outcome.spoilt or job.alone:
                break
        code = 0
    except (EOFError, BrokenPipeError):
        code = 0
    finally:
        os._exit(code)


class Pool:
    """Does jobs in forked workers, as many first and as many second parses at a time as there are cores."""

    def __init__(self, make_parser: Callable[[bool], Any], time_limit: float, size: int) -> None:
        self.make_parser = make_parser
        self.time_limit = time_limit
        self.size = size
        self.waiting: dict[bool, deque[Job]] = {False: deque(), True: deque()}
        self.workers: list[Worker] = []

    def add(self, job: Job) -> None:
        self.waiting[job.second].append(job)

    def run(self, done: Callable[[Job, Any], None]) -> None:
        """Do all jobs, also those that `done` adds, and hand each Outcome or Death to it."""
        gc.collect()
        gc.freeze()
        try:
            while self._give_out():
                self._receive(done)
        finally:
            for worker in self.workers:
                worker.end()

    def _give_out(self) -> bool:
        """Start workers and give them jobs; whether there is anything to wait for."""
        for second, waiting in self.waiting.items():
            for worker in [worker for worker in self.workers if worker.second == second]:
                while waiting and not waiting[0].alone and len(worker.jobs) < AHEAD:
                    worker.give(waiting.popleft())
                if not worker.jobs:
                    self._remove(worker)
            while waiting and sum(worker.second == second for worker in self.workers) < self.size:
                self.workers.append(Worker(second, self.make_parser))
                self.workers[-1].give(waiting.popleft())
        return bool(self.workers)

    def _receive(self, done: Callable[[Job, Any], None]) -> None:
        """Wait for an answer, a death or the next time limit."""
        limit = self.time_limit + GRACE
        next_limit = min(worker.since + limit for worker in self.workers)
        ready = wait([w.connection for w in self.workers], max(0.0, next_limit - time.monotonic()))
        for worker in list(self.workers):
            if worker.connection in ready:
                self._answer(worker, done)
            elif time.monotonic() > worker.since + limit:
                job = worker.jobs.popleft()
                self._remove(worker)
                done(job, Death(f"it takes longer than {self.time_limit:g} s", timed_out=True))

    def _answer(self, worker: Worker, done: Callable[[Job, Any], None]) -> None:
        job = worker.jobs.popleft()
        worker.since = time.monotonic()
        try:
            answer = worker.connection.recv()
            ended = answer.spoilt or job.alone
        except (EOFError, ConnectionResetError):
            answer, ended = None, True
        status = self._remove(worker) if ended else 0
        done(job, answer or Death(_how(status), timed_out=False))

    def _remove(self, worker: Worker) -> int:
        """End the worker; what it was given and did not do goes back to the front of the queue."""
        self.workers.remove(worker)
        self.waiting[worker.second].extendleft(reversed(worker.jobs))
        return worker.end()


def _how(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"signal {signal.Signals(os.WTERMSIG(status)).name}"
    return f"exit code {os.WEXITSTATUS(status)}"
