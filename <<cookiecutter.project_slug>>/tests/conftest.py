"""What all tests share. Airflow's state and all data of a test run are in temporary folders."""

import os
import tempfile
from pathlib import Path

import pytest

DAGS = Path(__file__).resolve().parent.parent / "<< cookiecutter.dags_subpath >>"

# Airflow reads these when it is first imported, hence not in a fixture.
_HOME = tempfile.TemporaryDirectory(prefix="airflow-test-")
os.environ.update(
    AIRFLOW_HOME=_HOME.name,
    AIRFLOW__CORE__DAGS_FOLDER=str(DAGS),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{_HOME.name}/airflow.db",
    ETL_DATA_ROOT=f"file://{_HOME.name}/data",
    ETL_SOURCE="sample",
)


@pytest.fixture
def data_root(tmp_path, monkeypatch):
    """An empty data root of the test's own."""
    monkeypatch.setenv("ETL_DATA_ROOT", f"file://{tmp_path}/data")
    return tmp_path / "data"


@pytest.fixture(scope="session")
def dags():
    """The DAGs by id, from an Airflow with a migrated database."""
    from airflow.dag_processing.dagbag import DagBag
    from airflow.utils.db import initdb

    initdb()
    return DagBag(str(DAGS)).dags
