"""`airflow-etl` in this process, with a project, an environment and an answer of the call's own.

A Python of its own, and make before it, would take a third of a second for each call.
"""

import contextlib
import importlib
import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.conftest import clean_environment, make_command, run

# In place of `airflow-etl` in a recipe: it writes down its environment and its words.
RECORDER = '#!/bin/sh\nenv -0 > "$RECORDED/environment"\nprintf "%s\\0" "$@" > "$RECORDED/words"\n'
# These wait, or become another program.
NOT_HERE = ("ui", "run", "rebuild", "logs-sync")


@contextlib.contextmanager
def new_modules():
    """Import etl_tools anew: it finds the project and reads its answers when it is imported."""

    def names():
        return [name for name in sys.modules if name.partition(".")[0] == "etl_tools"]

    before = {name: sys.modules.pop(name) for name in names()}
    try:
        yield
    finally:
        for name in names():
            del sys.modules[name]
        sys.modules.update(before)


@contextlib.contextmanager
def place(folder, environment):
    """Be in that folder, with that environment alone."""
    before, here, umask = dict(os.environ), Path.cwd(), os.umask(0o022)
    os.umask(umask)
    try:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update({name: str(value) for name, value in environment.items() if value is not None})
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        os.chdir(here)
        os.umask(umask)


@contextlib.contextmanager
def captured(answer, apart=False):
    """Yield the files that get the streams, those of programs that are started, too: one for both, unless apart."""
    streams = sys.stdin, sys.stdout, sys.stderr
    for stream in streams[1:]:
        stream.flush()
    descriptors = os.dup(1), os.dup(2)
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        files = (output, errors if apart else output)
        for number, file in enumerate(files, 1):
            os.dup2(file.fileno(), number)
        sys.stdin = io.StringIO(answer)
        sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), encoding="utf-8", write_through=True)
        sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), encoding="utf-8", write_through=True)
        try:
            yield files
        finally:
            sys.stdin, sys.stdout, sys.stderr = streams
            for number, descriptor in enumerate(descriptors, 1):
                os.dup2(descriptor, number)
                os.close(descriptor)


def status_of(words):
    """Return the exit code of a command line."""
    from etl_tools import cli

    try:
        return cli.main([*words])
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
            return 1
        return ended.code or 0


def call(project, words, environment, answer="", constants=()):
    """Return a command's exit code and what it printed; `environment` is all that it has.

    constants: (module, name, value) of what is to be shorter than people need it.
    """
    with new_modules(), place(project, environment), captured(answer) as (file, _):
        for module, name, value in constants:
            setattr(importlib.import_module(f"etl_tools.{module}"), name, value)
        status = status_of(words)
        printed = content(file)
    assert "Traceback" not in printed
    return status, printed


def content(file):
    file.seek(0)
    return file.read().decode(errors="replace")


def completed(project, words, environment):
    """Return the same as subprocess.run() does, each stream by itself."""
    with new_modules(), place(project, environment), captured("", apart=True) as files:
        status = status_of(words)
        return subprocess.CompletedProcess(words, status, *map(content, files))


def etl(project, *words, expect=0, answer="", **environment):
    """Run a command in a project; return what it printed. A status other than `expect` fails with that text."""
    status, printed = call(project, words, clean_environment() | environment, answer)
    assert expect is None or status == expect, f"airflow-etl {' '.join(words)} ended with {status}:\n{printed}"
    return printed


def evaluate(project, module, function, **environment):
    """Return what a function returns that is given a module of etl_tools, imported in a project."""
    with new_modules(), place(project, clean_environment() | environment):
        return function(importlib.import_module(f"etl_tools.{module}"))


def make(project, *words, expect=0, constants=(), **environment):
    """Run a target as make does, with the words and the environment that the Makefile gives to `airflow-etl`."""
    recipe = rf"^{re.escape(words[0])}:.*\n\t@\$\(ETL\) .*\n(?!\t)"
    if words[0] in NOT_HERE or not re.search(recipe, (project / "Makefile").read_text(), re.MULTILINE):
        return run([*make_command(), *words], cwd=project, expect=expect, **environment)
    with tempfile.TemporaryDirectory() as name:
        recorder = Path(name) / "airflow-etl"
        recorder.write_text(RECORDER)
        recorder.chmod(0o755)
        run([*make_command(), *words, f"ETL={recorder}"], cwd=project, RECORDED=name, **environment)
        said = Path(name, "words").read_text().split("\0")[:-1]
        given = dict(pair.split("=", 1) for pair in Path(name, "environment").read_text().split("\0") if pair)
    status, printed = call(project, said, given, constants=constants)
    # What make says of a recipe that failed, whatever its code.
    assert expect is None or bool(status) * 2 == expect, f"make {' '.join(words)} ended with {status}:\n{printed}"
    return printed
