"""Print as JSON what Airflow's DagBag says of each file of a folder: its import error, or how it ended the process."""

import contextlib
import json
import os
import signal
import sys
import tempfile
from pathlib import Path

from airflow.dag_processing.dagbag import DagBag

SECONDS = 40  # Airflow's own limit is 30


def errors_of(path: Path) -> str:
    bag = DagBag(os.devnull, collect_dags=False, bundle_path=path.parent, bundle_name="dags")
    bag.process_file(str(path), only_if_updated=False)
    return "\n".join(bag.import_errors.values())


def in_a_child(path: Path) -> str:
    """The errors of one file, which may end its process or never end."""
    with tempfile.TemporaryFile("w+") as answer:
        child = os.fork()
        if child == 0:
            signal.alarm(SECONDS)
            with open(os.devnull, "w") as nothing, contextlib.redirect_stdout(nothing):
                answer.write(errors_of(path))
            answer.flush()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        answer.seek(0)
        return answer.read() if status == 0 else f"the process ended with status {status}"


if __name__ == "__main__":
    sys.path.append(sys.argv[1])
    said = {path.name: in_a_child(path) for path in sorted(Path(sys.argv[1]).glob("*.py"))}
    print(json.dumps({name: text for name, text in said.items() if text}))
