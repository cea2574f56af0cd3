"""Refuses and records what a DAG file must not do while it is parsed.

The refusal is recorded as well as raised: a file may swallow the exception. Nothing is answered with a
made-up value.
"""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path
from typing import NamedTuple

EVENTS = {
    "os.exec": "starts a process",
    "os.fork": "starts a process",
    "os.forkpty": "starts a process",
    "os.posix_spawn": "starts a process",
    "os.spawn": "starts a process",
    "os.system": "starts a process",
    "pty.spawn": "starts a process",
    "subprocess.Popen": "starts a process",
    "socket.connect": "uses the network",
    "socket.getaddrinfo": "uses the network",
    "socket.gethostbyname": "uses the network",
    "socket.sendto": "uses the network",
    "urllib.Request": "uses the network",
    "sqlite3.connect": "opens a database",
    "os.chmod": "changes a file",
    "os.chown": "changes a file",
    "os.link": "writes a file",
    "os.mkdir": "makes a directory",
    "os.remove": "removes a file",
    "os.rename": "renames a file",
    "os.rmdir": "removes a directory",
    "os.symlink": "writes a file",
    "os.truncate": "writes a file",
    "tempfile.mkdtemp": "makes a directory",
    "tempfile.mkstemp": "writes a file",
}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class RefusedAtImport(Exception):
    """Raised in a DAG file that does at import what belongs into a task."""


class Refusal(NamedTuple):
    """What was refused, and the file and line of the DAG folder that asked for it."""

    path: str
    line: int
    what: str


class Guard:
    """Watches this process while `armed` is the path of the DAG file that is being parsed."""

    def __init__(self, dags: Path) -> None:
        self.dags = f"{dags}{os.sep}"
        self.armed = ""
        self.refusals: list[Refusal] = []
        # What of the DAG folder, other than modules, was read or listed: by the file, by modules it imports
        self.read: set[str] = set()
        self.read_by_modules: set[str] = set()

    def watch(self) -> None:
        """Start watching. There is no way back for this process, so do it in a worker."""
        sys.addaudithook(self._audit)
        self._refuse_airflow()

    def _audit(self, event: str, arguments: tuple) -> None:
        if not self.armed:
            return
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, int):
                return
            if flags & WRITING and path != os.devnull:
                self._refuse(f"writes the file {os.fsdecode(path)}")
            else:
                self._note(os.fsdecode(path))
        elif event in ("os.listdir", "os.scandir"):
            # Looking for a module lists folders too, but what comes of it is known from the imports.
            importing = sys._getframe(1).f_code.co_filename.startswith("<frozen importlib")
            if not importing and not isinstance(arguments[0], (int, type(None))):
                self._note(os.fsdecode(arguments[0]))
        elif event in EVENTS:
            self._refuse(EVENTS[event])

    def _note(self, path: str) -> None:
        """Note what is read of the DAG folder; a shared module reads only in the first file's parse."""
        if path.startswith(self.dags[:-1]) and not path.endswith((".py", ".pyc")):
            frame = sys._getframe(2)
            while frame is not None:
                code = frame.f_code
                if code.co_name == "<module>" and code.co_filename.startswith(self.dags):
                    if code.co_filename != self.armed:
                        self.read_by_modules.add(path)
                        return
                    break
                frame = frame.f_back
            self.read.add(path)

    def _refuse(self, what: str) -> None:
        armed, self.armed = self.armed, ""
        refusal = self._blame(armed, what)
        self.refusals.append(refusal)
        self.armed = armed
        raise RefusedAtImport(f"{refusal.what} at line {refusal.line} of {refusal.path}")

    def _blame(self, dag_file: str, what: str) -> Refusal:
        """The DAG file's own line; where a helper module does it by being imported, the helper's."""
        inner = None
        frame = sys._getframe(1)
        while frame is not None:
            path = frame.f_code.co_filename
            if path.startswith(self.dags):
                inner = inner or (path, frame.f_lineno)
                if path == dag_file or frame.f_code.co_name == "<module>":
                    helper, line = inner
                    if path != dag_file:
                        return Refusal(helper, line, what)
                    where = f" (in {helper[len(self.dags) :]}, line {line})" if helper != dag_file else ""
                    return Refusal(dag_file, frame.f_lineno, what + where)
            frame = frame.f_back
        return Refusal(dag_file, 1, what)

    def _refuse_airflow(self) -> None:
        """Refuse what Airflow would answer from its database or a secrets backend."""
        import airflow.settings
        from airflow.models.connection import Connection as ModelConnection
        from airflow.models.variable import Variable as ModelVariable
        from airflow.sdk import BaseHook, Connection, Variable

        for owner in (Variable, ModelVariable):
            for name in ("get", "set", "delete"):
                self._wrap(owner, name, "uses an Airflow Variable")
        self._wrap(Connection, "get", "reads an Airflow Connection")
        self._wrap(ModelConnection, "get_connection_from_secrets", "reads an Airflow Connection")
        self._wrap(BaseHook, "get_connection", "reads an Airflow Connection")
        self._wrap(airflow.settings, "Session", "opens a database session")
        self._wrap(BaseHook, "__init__", "makes a hook", only_from_dag_folder=True)

    def _wrap(self, owner, name: str, what: str, only_from_dag_folder: bool = False) -> None:
        original = getattr(owner, name)

        @functools.wraps(original)
        def guarded(*args, **kwargs):
            if self.armed and (not only_from_dag_folder or self._made_by_dag_folder(args[0])):
                self._refuse(what)
            return original(*args, **kwargs)

        setattr(owner, name, guarded)

    def _made_by_dag_folder(self, made) -> bool:
        """Whether the object is made by the DAG folder's code itself, and not by an operator of a library."""
        frame = sys._getframe(2)
        while frame is not None and frame.f_locals.get("self") is made:
            frame = frame.f_back
        return frame is not None and frame.f_code.co_filename.startswith(self.dags)
