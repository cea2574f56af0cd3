"""What runs in pods, for the scenario without a cluster: airflow, and the clients of the database; run by their names.

Airflow has the DAG files of the branch, as the git server has them, and remembers which are paused and what ran.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

STATE = Path(os.environ["FAKE_CLUSTER"])
FILE = STATE / "airflow.json"
NAME, WORDS = Path(sys.argv[0]).name, sys.argv[1:]


def git(*words):
    command = ["git", "-C", os.environ["DRY_REPOSITORY"], *words]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def dags():
    """Return each DAG's name → the text of its file, of those that can be imported and of the others."""
    names = [name for name in git("ls-tree", "--name-only", "main:dags").split() if name.endswith(".py")]
    texts = {name.removesuffix(".py"): git("show", f"main:dags/{name}") for name in names}
    broken = {name for name, text in texts.items() if "import nosuch" in text}
    return texts.keys() - broken, broken


def airflow():
    known = json.loads(FILE.read_text()) if FILE.exists() else {"on": [], "runs": {}}
    good, broken = dags()
    table, (name, *_) = [], [*WORDS[2:], ""]
    if WORDS[:2] == ["dags", "list"]:
        table = [
            {"dag_id": dag, "is_paused": str(dag not in known["on"]), "is_stale": "False", "timetable_summary": ""}
            for dag in sorted(good)
        ]
    elif WORDS[:2] == ["dags", "list-import-errors"]:
        error = "Traceback\nModuleNotFoundError: No module named 'nosuchpackage'"
        table = [{"filepath": f"{dag}.py", "error": error} for dag in broken]
    elif WORDS[:2] == ["dags", "list-runs"]:
        table = known["runs"].get(name, [])
    elif WORDS[:2] == ["dags", "unpause"]:
        known["on"].append(name)
    elif WORDS[:2] == ["dags", "pause"]:
        known["on"].remove(name)
    elif WORDS[:2] == ["dags", "trigger"]:
        # What extract publishes starts transform.
        for dag in (name, "transform") if name == "extract" else (name,):
            known["runs"].setdefault(dag, []).append({"state": "success"})
    elif WORDS[0] not in ("connections", "users", "rotate-fernet-key"):
        sys.exit(f"no answer to airflow {' '.join(WORDS)}")
    FILE.write_text(json.dumps(known))
    if "json" in WORDS:
        print(json.dumps(table))


def psql():
    kept, asked = STATE / "databases", " ".join(WORDS)
    if "version_num" in asked:
        print("0a1b2c")
    elif renamed := re.search(r"RENAME TO (before_\w+)", asked):
        kept.write_text(renamed[1])
    elif "SELECT datname" in asked:
        print("postgres", kept.read_text() if kept.exists() else "", sep="\n")


def pg_dump():
    print("PGDMP alembic_version")


def nothing():
    sys.stdin.read()


PROGRAMS = {"airflow": airflow, "psql": psql, "pg_dump": pg_dump, "pg_restore": nothing, "python": nothing}

if __name__ == "__main__":
    PROGRAMS.get(NAME, lambda: None)()
