"""Forked processes that do jobs, and are ended where one takes too long. Knows nothing of Airflow."""

from __future__ import annotations

import contextlib
import os
import signal
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from .model import PolicyError

GRACE = 5  # seconds that a job has beyond the time limit to end by itself


class Worker:
    """A forked process that answers jobs, one at a time, with the function that `make` gives it."""

    def __init__(self, make: Callable[[], Callable[..., Any]]) -> None:
        self.job: Any = None
        pipes = Pipe()
        self.pipe = pipes[0]
        self.process = get_context("fork").Process(target=_answer, args=(*pipes, make))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # no thread here holds a lock
            self.process.start()
        pipes[1].close()
        self.pid = self.process.pid or 0

    def give(self, job: Any) -> None:
        self.job, self.since, self.warned = job, clock(self.pid), False
        with contextlib.suppress(BrokenPipeError):  # it has just ended, as its answer tells
            self.pipe.send(job)

    def end(self) -> str:
        """Kill the process, which has nothing left to say, and return how it ended."""
        self.pipe.close()
        self.process.kill()
        self.process.join()
        code = self.process.exitcode or 0
        return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


def _answer(theirs: Connection, pipe: Connection, make: Callable[[], Callable[..., Any]]) -> None:
    theirs.close()
    try:
        answer = make()
    except Exception as error:
        pipe.send(PolicyError(f"The checks cannot start: {type(error).__name__}: {error}."))
        raise
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            job = pipe.recv()
            try:
                pipe.send(answer(job))
            except PolicyError as error:
                pipe.send(PolicyError(f"{error} ({job.name})"))


class Pool:
    """Does jobs in `size` forked processes; `fresh`: in a new one each."""

    def __init__(self, make: Callable[[], Callable[..., Any]], size: int, limit: float, fresh: bool = False) -> None:
        self.make, self.size, self.limit, self.fresh = make, size, limit, fresh
        self.workers: list[Worker] = []

    def run(self, jobs: list[Any]) -> Iterator[tuple[Any, Any]]:
        """Yields each job with its answer, or with how its process ended, '' if its time was up."""
        waiting = deque(jobs)
        try:
            while self._give_out(waiting):
                ready = wait([worker.pipe for worker in self.workers], timeout=1)
                for worker in list(self.workers):
                    if worker.pipe in ready:
                        yield worker.job, self._answer(worker)
                    elif (spent := clock(worker.pid) - worker.since) > self.limit + GRACE:
                        self._end(worker)
                        yield worker.job, ""
                    elif spent > self.limit and not worker.warned:
                        worker.warned = True
                        os.kill(worker.pid, signal.SIGALRM)  # the parser raises an exception
        finally:
            for worker in self.workers:
                worker.end()

    def _give_out(self, waiting: deque[Any]) -> bool:
        """Give jobs to processes, start or end some of these; whether there is anything to wait for."""
        idle = [worker for worker in self.workers if worker.job is None]
        while waiting and (idle or len(self.workers) < self.size):
            if not idle:
                idle.append(Worker(self.make))
                self.workers += idle
            idle.pop().give(waiting.popleft())
        for worker in idle:
            self._end(worker)
        return bool(self.workers)

    def _end(self, worker: Worker) -> str:
        self.workers.remove(worker)
        return worker.end()

    def _answer(self, worker: Worker) -> Any:
        try:
            answer = worker.pipe.recv()
        except (EOFError, ConnectionResetError):
            return self._end(worker)
        if isinstance(answer, PolicyError):
            raise answer
        if self.fresh or answer.tainted:
            self._end(worker)
        worker.job = None
        return answer


def clock(pid: int) -> float:
    """Seconds, without those in which the process waited for a processor (Linux tells)."""
    try:
        waited = int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        waited = 0
    return time.monotonic() - waited
