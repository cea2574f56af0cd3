"""Refuses and records what a DAG file must not do while it is parsed.

The refusal is recorded as well as raised: a file may swallow the exception. What is exempt is done. Variables
and Connections have the value that the policy gives, or the default that the file names: such a read is
recorded and answered, so that the DAG is looked at, too. Nothing is answered with a made-up value. Processes
and files of a library that is imported (ldconfig, a cache) are not held against it, nor is what one keeps in
the folder for temporary files, which each run has for itself.
"""

from __future__ import annotations

import builtins
import functools
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from ..config import Policy
from ..rules.files import DATABASES

ACTIONS = {
    "uses the network": "socket.connect socket.getaddrinfo socket.gethostbyname socket.sendto urllib.Request",
    "ends another process": "os.kill os.killpg",
    "becomes another process": "os.exec os.fork os.forkpty",
    "starts a process": "os.posix_spawn os.spawn os.system pty.spawn subprocess.Popen",
    "opens a database": "sqlite3.connect",
    "changes a file": "os.chmod os.chown os.truncate",
    "writes a file": "os.link os.symlink os.rename tempfile.mkstemp",
    "makes a directory": "os.mkdir tempfile.mkdtemp",
    "removes a file": "os.remove os.rmdir",
}
EVENTS = {event: what for what, events in ACTIONS.items() for event in events.split()}
NEVER = ("ends another process", "becomes another process")  # nor if it is exempt: the checks would end
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# The files of Python's own modules; libraries are in a folder of that folder, or elsewhere.
PYTHONS_OWN = re.compile(rf"<|{re.escape(os.path.dirname(os.__file__) + os.sep)}(?!\w+-packages)")


Answer = Callable[..., Any]


class RefusedAtImport(Exception):
    """Raised in a DAG file that does at import what belongs in a task."""


class NoValue(RefusedAtImport):
    """Raised where a read is exempt and nothing says what it gives."""


class Refusal(NamedTuple):
    """What was refused, the file and line of the DAG folder that asked for it, and whose code did it."""

    path: str
    line: int
    what: str
    library: str = ""


class Guard:
    """Watches this process while `armed` is the path of the DAG file that is being parsed."""

    def __init__(self, dags: Path, policy: Policy, is_exempt: Callable[[Refusal], bool]) -> None:
        self.dags, self.policy, self.is_exempt = f"{dags}{os.sep}", policy, is_exempt
        self.armed = ""
        self.refusals: list[Refusal] = []
        self.environment_changed = False

    def watch(self) -> None:
        """Start watching. There is no way back for this process, so do it in a worker."""
        import airflow.settings

        from .versions import CONNECTIONS, IS_3, VARIABLES

        for owner in VARIABLES:
            self._wrap(owner, "get", "reads an Airflow Variable", self._variable, self._knows_variable)
            for name in ("set", "delete"):
                self._wrap(owner, name, "changes an Airflow Variable", lambda *_, **__: None)
        for owner, name, kind in CONNECTIONS:
            answer = functools.partial(self._connection, kind)
            self._wrap(owner, name, "reads an Airflow Connection", answer, self._knows_connection)
        # Airflow 2 makes one without connecting: what a session then does is refused
        self._wrap(airflow.settings, "Session", "opens a database session", known=lambda: not IS_3)
        self._wrap(time, "sleep", "waits", lambda _: None)
        original, databases = builtins.__import__, frozenset(DATABASES)

        @functools.wraps(original)
        def importing(name: str, *args: Any, **kwargs: Any) -> Any:
            module = original(name, *args, **kwargs)
            if name in databases:  # their connect() is C, of which no audit event tells
                connect = getattr(sys.modules[name], "connect", None)
                if connect and not hasattr(connect, "__wrapped__"):
                    self._wrap(sys.modules[name], "connect", "opens a database")
            return module

        builtins.__import__ = importing
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.armed:
            return
        if event in ("os.putenv", "os.unsetenv"):
            self.environment_changed = True
        elif event == "open":
            path, _, flags = arguments
            if not isinstance(path, int) and flags & WRITING and path != os.devnull:
                self._refuse(f"writes the file {os.fsdecode(path)}", temporary=_is_temporary(path))
        elif event in EVENTS:
            what = EVENTS[event]
            if what == "ends another process" and (arguments[0] == os.getpid() or not arguments[1]):
                return  # the checks see that it ends; signal 0 only asks
            paths = arguments[:1] if event == "os.truncate" else arguments  # the other one is a length
            temporary = what.endswith((" file", " directory")) and _is_temporary(*paths)
            self._refuse(what, even_by_import=what == "uses the network", temporary=temporary)

    def _refuse(self, what: str, even_by_import: bool = False, temporary: bool = False, answered: bool = False) -> bool:
        """Raise an exception where that is not allowed; whether another answer is to be given."""
        armed, self.armed = self.armed, ""
        refusal = self._blame(armed, what, even_by_import, temporary)
        exempt = refusal is not None and what not in NEVER and self.is_exempt(refusal)
        self.armed = armed
        if refusal:
            self.refusals.append(refusal)
        # What a library of theirs asks of git or uname when it is set up is a finding, and no reason to stop
        answered = answered or (refusal is not None and bool(refusal.library) and what == "starts a process")
        if refusal and not (exempt or answered):
            raise RefusedAtImport(f"{refusal.what} at line {refusal.line} of {refusal.path}")
        return bool(refusal)

    def _knows_variable(self, key: str = "", *given: Any, **options: Any) -> bool:
        return key in self.policy.variables or bool(given) or not {"default", "default_var"}.isdisjoint(options)

    def _knows_connection(self, conn_id: str = "") -> bool:
        return conn_id in self.policy.connections

    def _variable(self, key: str, *given: Any, **options: Any) -> Any:
        options = dict(zip(("default", "deserialize_json"), given, strict=False)) | options
        if key in self.policy.variables:
            value = self.policy.variables[key]
            return json.loads(value) if options.get("deserialize_json") else value
        for name in ("default", "default_var"):
            if name in options:
                return options[name]
        raise NoValue(f"Variable {key} has no default, and the policy gives it no value")

    def _connection(self, kind: Any, conn_id: str) -> Any:
        if conn_id not in self.policy.connections:
            raise NoValue(f"The policy gives connection {conn_id} no value")
        return kind(conn_id=conn_id, uri=self.policy.connections[conn_id])

    def _blame(self, dag_file: str, what: str, even_by_import: bool, temporary: bool) -> Refusal | None:
        """The DAG file's own line; where a helper module does it by being imported, the helper's."""
        inner, library = None, ""
        frame: FrameType | None = sys._getframe(3)  # who called what is refused
        if frame and frame.f_code.co_filename.startswith("<frozen importlib"):
            return None  # Python keeps a module's bytecode
        while frame is not None:
            path = frame.f_code.co_filename
            if path.startswith(self.dags):
                inner = inner or (path, frame.f_lineno)
                if path == dag_file or frame.f_code.co_name == "<module>":
                    helper, line = inner
                    if path != dag_file:
                        return Refusal(helper, line, what, library)
                    where = f" (in {helper[len(self.dags) :]}, line {line})" if helper != dag_file else ""
                    return Refusal(dag_file, frame.f_lineno, what + where, library)
            elif not inner:
                by_library = path != __file__ and not PYTHONS_OWN.match(path)
                if (temporary and by_library) or (frame.f_code.co_name == "<module>" and not even_by_import):
                    return None
                name = frame.f_globals.get("__name__", "").split(".")[0] if by_library else "airflow"
                library = library if name == "airflow" else name
            frame = frame.f_back
        return Refusal(dag_file, 1, what)

    def _wrap(
        self, owner: Any, name: str, what: str, instead: Answer | None = None, known: Answer | None = None
    ) -> None:
        original = getattr(owner, name)

        @functools.wraps(original)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if self.armed:
                answered = bool(known and known(*args, **kwargs))
                if self._refuse(what, even_by_import=True, answered=answered) and instead:
                    return instead(*args, **kwargs)
            return original(*args, **kwargs)

        # A method of the class: also where an instance is asked, which it must not get as an argument
        setattr(owner, name, staticmethod(guarded) if isinstance(owner, type) else guarded)


def _is_temporary(*arguments: Any) -> bool:
    """Whether the last path among the arguments of an audit event is in the folder for temporary files."""
    paths = [os.fsdecode(one) for one in arguments if isinstance(one, (str, bytes, os.PathLike))]
    in_open_folder = isinstance(arguments[-1], int) and arguments[-1] >= 0  # as shutil.rmtree() has them
    folder = f"{tempfile.gettempdir()}{os.sep}"
    return in_open_folder or any(os.path.realpath(path).startswith(folder) for path in paths[-1:])
