"""The environment of what runs on this machine: make run, make ui, make notebook, and .env for an IDE.

`airflow-etl environment` writes .env; with a command behind it, it runs the command.

Airflow's own variables (AIRFLOW…) of the shell do not count: they may name another Airflow's database.
Those in .env and in secrets/connections.env do. Of anything else, the shell's value comes first, then .env's.
"""

import contextlib
import os
import sys
from pathlib import Path

from etl_tools import answers
from etl_tools.secrets import connections

HOME = answers.ROOT / ".airflow"
DAGS = answers.ROOT / answers.DAGS_SUBPATH
FILE = answers.ROOT / ".env"
NOT_INHERITED = ("AIRFLOW", "_AIRFLOW")


def variables(root: Path = answers.ROOT) -> dict[str, str]:
    """What a project in this folder is run with, unless .env says otherwise."""
    return {
        "AIRFLOW_HOME": f"{root}/.airflow",
        "AIRFLOW__CORE__DAGS_FOLDER": f"{root}/{answers.DAGS_SUBPATH}",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{root}/.airflow/airflow.db",
        "ETL_DATA_ROOT": f"file://{root}/.airflow/data",
        "PYTHONPATH": f"{root}/{answers.DAGS_SUBPATH}",
    }


def chosen() -> dict[str, str]:
    """What this checkout's owner has set, in .env and secrets/connections.env. ValueError: a wrong line."""
    found: dict[str, str] = {}
    if FILE.exists():
        from dotenv import dotenv_values

        read = dotenv_values(FILE)
        if wrong := [name for name, value in read.items() if value is None]:
            raise ValueError(f"{FILE.name}: {wrong[0]} has no value; write NAME=value.")
        found = {name: value for name, value in read.items() if value is not None}
        # As it was written by make install, maybe before this folder was moved: nobody's choice.
        written = variables(Path(found.get("AIRFLOW_HOME", HOME)).parent)
        found = {name: value for name, value in found.items() if written.get(name) != value}
    return {**connections.read(), **found}


def set_up() -> None:
    """Make this process's environment that of the project, and a home that only its owner can read."""
    ours = chosen()
    if "AIRFLOW_HOME" in ours:
        database = f"sqlite:///{os.path.abspath(ours['AIRFLOW_HOME'])}/airflow.db"
        ours.setdefault("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", database)
    ours = {**variables(), **ours}
    inherited = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(NOT_INHERITED)}
    # An IDE has handed on what it read in .env.
    if left := sorted(name for name, value in inherited.items() if ours.get(name) != value):
        more = f" and {len(left) - 1} more" if len(left) > 1 else ""
        what_to_do = "left out. What is to count here, write into .env."
        print(f"{left[0]}{more} of your shell: {what_to_do}", file=sys.stderr)
    path = os.environ.pop("PYTHONPATH", None)
    for name, value in ours.items():
        os.environ.setdefault(name, value)
    if path and path != ours["PYTHONPATH"]:
        os.environ["PYTHONPATH"] = f"{ours['PYTHONPATH']}{os.pathsep}{path}"
    data = os.environ["ETL_DATA_ROOT"]
    if not data.startswith("file:") or Path(data.removeprefix("file://")).is_relative_to(HOME):
        os.umask(0o077)  # in a folder elsewhere, others may be meant to read the data
    for folder in {HOME, Path(os.environ["AIRFLOW_HOME"])}:  # one of your own, maybe; logs are in ours
        close(folder)
    sys.path.insert(0, str(DAGS))


def close(folder: Path) -> None:
    """Make the folder, for its owner alone: it has passwords. What is in it already, likewise."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        for path in (folder, *folder.iterdir()):
            with contextlib.suppress(FileNotFoundError):  # a run that ends at the moment
                if (mode := path.lstat().st_mode & 0o777) & 0o077 and not path.is_symlink():
                    path.chmod(mode & 0o700)
    except PermissionError as problem:
        cure = f"sudo chown -R $USER {folder}"
        raise ValueError(f"{problem.filename} belongs to another user: {cure}") from None


def write() -> None:
    """Write .env for IDEs and dag.test(), unless there is one."""
    if not FILE.exists():
        lines = [f'{name}="{value}"\n' for name, value in variables().items()]
        FILE.write_text("# Written by make install when it is not there. Add what you like.\n" + "".join(lines))


def main(words: list[str]) -> None:
    """Write .env; or, with words, run them as a command in the project's environment."""
    if not words:
        write()
        return
    try:
        set_up()
    except ValueError as problem:
        sys.exit(str(problem))
    os.execvp(words[0], words)
