"""Resolve the generated project's dependencies into one hashed lock for each kind of storage (`make lock`)."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from cookiecutter.main import cookiecutter

TEMPLATE = Path(__file__).resolve().parents[1]
PROJECT_FOLDER = TEMPLATE / "<<cookiecutter.project_slug>>"
DATA_ROOTS = {
    "file": "file:///opt/airflow/data",
    "s3": "s3://bucket/data",
    "gs": "gs://bucket/data",
    "abfs": "abfs://container@account.dfs.core.windows.net/data",
}


def lock_in_template(storage):
    """Return where the template keeps the lock for a kind of storage."""
    return PROJECT_FOLDER / f"<% if cookiecutter.__storage == '{storage}' %>requirements.lock<% endif %>"


def main():
    """Bake a project for each kind of storage, run its own `make lock`, and keep the result."""
    with tempfile.TemporaryDirectory() as folder:
        for storage, data_root in DATA_ROOTS.items():
            answers = {"project_slug": f"lock-{storage}", "data_root": data_root}
            project = Path(cookiecutter(str(TEMPLATE), no_input=True, extra_context=answers, output_dir=folder))
            lock = project / "requirements.lock"
            if "--upgrade" in sys.argv:
                lock.unlink(missing_ok=True)
            subprocess.run(["make", "lock"], cwd=project, check=True)
            shutil.copyfile(lock, lock_in_template(storage))
            lines = lock.read_text(encoding="utf-8").splitlines()
            print(f"{storage}: {sum('==' in line for line in lines)} packages")


if __name__ == "__main__":
    main()
