"""The environment of what runs on this machine: make run, make ui, make notebook, and .env for an IDE.

`airflow-etl environment` writes .env; with a command behind it, it runs the command.
"""

import os
import sys

from etl_tools import answers
from etl_tools.secrets import connections

HOME = answers.ROOT / ".airflow"
DAGS = answers.ROOT / answers.DAGS_SUBPATH
FILE = answers.ROOT / ".env"


def variables() -> dict[str, str]:
    return {
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "ETL_DATA_ROOT": f"file://{HOME}/data",
        "PYTHONPATH": str(DAGS),
    }


def set_up() -> None:
    """Put them and secrets/connections.env into this process's environment; what is set already stays."""
    for name, value in {**variables(), **connections.read()}.items():
        os.environ.setdefault(name, value)
    for folder in (HOME, os.environ["AIRFLOW_HOME"]):  # one of your own, maybe; logs are in ours
        os.makedirs(folder, exist_ok=True)
    sys.path.insert(0, str(DAGS))


def write() -> None:
    """Write .env for IDEs and dag.test(), unless there is one."""
    if not FILE.exists():
        lines = [f'{name}="{value}"\n' for name, value in variables().items()]
        FILE.write_text("# Written by make install when it is not there. Add what you like.\n" + "".join(lines))


if __name__ == "__main__":
    if len(sys.argv) == 1:
        write()
    else:  # a command, to be run in this environment
        set_up()
        os.execvp(sys.argv[1], sys.argv[1:])
