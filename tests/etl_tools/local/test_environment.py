"""What of a person's environment make run, make ui and make notebook take, and who may read what they write."""

import os
import shutil
from pathlib import Path

import pytest

from tests.conftest import run
from tests.etl_tools.local.test_run import DAY, make_run

pytestmark = pytest.mark.airflow

LEFT_OUT = {
    "AIRFLOW_HOME": "/elsewhere",
    "AIRFLOW_CONFIG": "/elsewhere/airflow.cfg",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql://production/airflow",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD": "echo postgresql://production/airflow",
    "AIRFLOW__CORE__SQL_ALCHEMY_CONN": "postgresql://production/airflow",
    "AIRFLOW__SECRETS__BACKEND": "a.backend.of.production",
    "AIRFLOW_CONN_SHOP": "http://production",
    "AIRFLOW_VAR_REGION": "production",
    "_AIRFLOW__AS_LIBRARY": "1",
}


@pytest.fixture
def project(project):
    """The project, without what a test has set in it."""
    yield project
    for name in (".env", "secrets/connections.env"):
        (project / name).unlink(missing_ok=True)


def environment(project, **inherited):
    """Return the environment of a command, and what was said before it."""
    printed = run([".venv/bin/python", "-m", "etl_tools.cli", "environment", "env"], cwd=project, **inherited)
    lines = printed.splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line), [line for line in lines if "your shell" in line]


def test_an_airflow_of_the_shell_is_left_alone(project):
    found, said = environment(project, **LEFT_OUT)
    home = f"{project}/.airflow"
    assert not [name for name, value in found.items() if "elsewhere" in value or "production" in value]
    assert found["AIRFLOW_HOME"] == home
    assert found["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == f"sqlite:///{home}/airflow.db"
    assert said == ["AIRFLOW_CONFIG and 8 more of your shell: left out. What is to count here, write into .env."], (
        "names, no values"
    )


def test_make_run_does_not_touch_another_database(project, tmp_path):
    other = {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/other.db",
        "AIRFLOW_HOME": f"{tmp_path}/home",
    }
    printed = make_run(project, "DAG=extract", f"DATE={DAY}", **other)
    assert "1 run " in printed
    assert "AIRFLOW_HOME and 1 more of your shell: left out" in printed
    assert list(tmp_path.iterdir()) == []
    assert (project / ".airflow" / "airflow.db").stat().st_size > 100_000


def test_anything_else_of_the_shell_counts_before_env_and_connections(project):
    (project / ".env").write_text(
        "ETL_TIMEZONE=Asia/Tokyo\nAWS_PROFILE=dotenv\nETL_NOTIFY=dotenv\nAIRFLOW_VAR_A=dotenv\n"
    )
    (project / "secrets" / "connections.env").write_text(
        "AWS_PROFILE=ours\nAIRFLOW_VAR_A=ours\nAIRFLOW_VAR_B=ours\nETL_NOTIFY=ours\n"
    )
    found, said = environment(project, ETL_TIMEZONE="UTC", AWS_PROFILE="mine", PYTHONPATH="/mine", HTTPS_PROXY="p")
    wanted = {
        "ETL_TIMEZONE": "UTC",
        "AWS_PROFILE": "mine",
        "HTTPS_PROXY": "p",
        "ETL_NOTIFY": "dotenv",
        "AIRFLOW_VAR_A": "dotenv",
        "AIRFLOW_VAR_B": "ours",
        "PYTHONPATH": f"{project}/dags:/mine",
    }
    assert {name: found[name] for name in wanted} == wanted
    assert said == []


def test_another_database_is_for_env_to_say(project, tmp_path):
    (project / ".env").write_text(f"AIRFLOW_HOME='{tmp_path}/home'\n")
    found, _ = environment(project)
    assert found["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == f"sqlite:///{tmp_path}/home/airflow.db"
    (project / ".env").write_text('# Shared.\nexport AIRFLOW__DATABASE__SQL_ALCHEMY_CONN="postgresql://localhost/a"\n')
    found, _ = environment(project)
    assert found["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == "postgresql://localhost/a"


def test_env_of_a_moved_or_copied_folder_does_not_lead_back(project, tmp_path):
    (project / ".env").unlink(missing_ok=True)
    run([".venv/bin/python", "-m", "etl_tools.cli", "environment"], cwd=project)
    here, _ = environment(project)
    copy = Path(shutil.copytree(project, tmp_path / "copy", symlinks=True, ignore=shutil.ignore_patterns(".airflow")))
    with (copy / ".env").open("a") as file:
        file.write("ETL_NOTIFY=me\n")
    # As an IDE that has read .env.
    found, _ = environment(copy, **{name: value for name, value in here.items() if name.startswith("AIRFLOW")})
    assert not [value for value in found.values() if str(project) in value and "PATH" not in value]
    assert (found["AIRFLOW_HOME"], found["ETL_DATA_ROOT"]) == (f"{copy}/.airflow", f"file://{copy}/.airflow/data")
    assert found["ETL_NOTIFY"] == "me"
    assert environment(project, **here)[1] == [], "what .env has handed on is not news"


def test_a_line_of_env_without_a_value_is_named(project):
    (project / ".env").write_text("ETL_NOTIFY\n")
    printed = run([".venv/bin/python", "-m", "etl_tools.cli", "environment", "env"], cwd=project, expect=1)
    assert ".env: ETL_NOTIFY has no value; write NAME=value." in printed
    assert "Traceback" not in printed
    assert "make run: .env: ETL_NOTIFY has no value" in make_run(project, expect=2)


def open_to_others(*folders):
    paths = [path for folder in folders for path in (folder, *folder.rglob("*"))]
    return [path for path in paths if path.stat().st_mode & 0o077 and not path.is_symlink()]


def test_what_a_run_writes_is_for_its_owner_alone(project, tmp_path):
    """An older .airflow is closed as well; a folder of data elsewhere stays as open as its owner has made it."""
    shutil.rmtree(project / ".airflow", ignore_errors=True)
    (project / ".airflow").mkdir(mode=0o755)
    (project / ".airflow" / "run.log").touch(0o644)
    before = os.umask(0o022)
    try:
        make_run(project, f"DATE={DAY}")
        assert open_to_others(project / ".airflow") == []
        make_run(project, "DAG=extract", f"DATE={DAY}", ETL_DATA_ROOT=f"file://{tmp_path}/data")
        assert (project / ".airflow").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "data").stat().st_mode & 0o777 == 0o755
    finally:
        os.umask(before)
