"""One side of make data-diff: runs the daily DAGs of some files on their sample days, in the working directory.

Writes {"ran": {dag: file}, "failed": {dag: why}, "left": {dag: why}} to the file that is its first argument.
"""

import json
import os
import sys
from pathlib import Path


def main(outcome: str, files: list[str]) -> None:
    from etl_tools.local import environment, run
    from etl_tools.local.progress import Progress

    os.environ.setdefault("ETL_SOURCE", "sample")
    environment.set_up()
    found: dict[str, dict[str, str]] = {"ran": {}, "failed": {}, "left": {}}
    if files:
        run.prepare_database(sys.stdout)
        run.spare_old_versions()
        from airflow.dag_processing.dagbag import DagBag

        bag = DagBag(str(environment.DAGS))
        for path, problem in bag.import_errors.items():
            name = os.path.relpath(path)
            if name in files:
                found["failed"][name] = problem.strip().splitlines()[-1]
        before = run.graph(bag.dags)
        changed = {dag_id for dag_id, dag in bag.dags.items() if os.path.relpath(dag.fileloc) in files}
        for dag_id, dag in bag.dags.items():
            if dag_id not in changed and changed.isdisjoint(run.ancestors(dag_id, before)):
                continue
            if run.DAY not in dag.params:
                found["left"][dag_id] = f"it has no days (no param {run.DAY})"
                continue
            try:
                _, failed = run.run_all(dag_id, [], Progress(sys.stdout))
            except Exception as problem:  # whatever a DAG does, the others have their turn
                failed = [str(problem) or type(problem).__name__]
            if failed:
                found["failed"][dag_id] = "; ".join(failed)
            else:
                found["ran"][dag_id] = os.path.relpath(dag.fileloc)
    Path(outcome).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
