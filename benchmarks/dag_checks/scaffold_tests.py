"""What a usual scaffold's tests ask of each DAG: that its file imports, that it has tags and is retried twice."""

import os
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag

FOLDER = Path("dags").resolve()
BAG = DagBag(os.fspath(FOLDER), bundle_path=FOLDER, bundle_name="dags")
DAGS = sorted(BAG.dags.items())


@pytest.mark.parametrize("file", sorted(BAG.import_errors))
def test_import(file):
    pytest.fail(f"{file}\n{BAG.import_errors[file]}")


@pytest.mark.parametrize(("dag_id", "dag"), DAGS, ids=[dag_id for dag_id, _ in DAGS])
def test_tags(dag_id, dag):
    assert dag.tags, f"{dag_id} in {dag.fileloc} has no tags"


@pytest.mark.parametrize(("dag_id", "dag"), DAGS, ids=[dag_id for dag_id, _ in DAGS])
def test_retries(dag_id, dag):
    assert dag.default_args.get("retries", 0) >= 2, f"{dag_id} in {dag.fileloc} is retried less than twice"
