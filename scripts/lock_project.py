"""Resolve the generated project's dependencies into its hashed lock (`make lock`), by the project's own `make lock`."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from cookiecutter.main import cookiecutter

TEMPLATE = Path(__file__).resolve().parents[1]
LOCK = TEMPLATE / "<<cookiecutter.project_slug>>/requirements.lock"
# This environment stands for the project's own, which need not be installed to lock it.
INSTALLED = (f"BIN={Path(sys.executable).parent}", "-o", ".venv/.installed")


def main():
    """Bake a project, run its own `make lock`, and keep the result."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(cookiecutter(str(TEMPLATE), no_input=True, output_dir=folder))
        subprocess.run(["make", "--silent", "lock", *INSTALLED, *sys.argv[1:]], cwd=project, check=True)
        shutil.copyfile(project / "requirements.lock", LOCK)
    print(f"{LOCK.name}: {sum('==' in line for line in LOCK.read_text(encoding='utf-8').splitlines())} packages")


if __name__ == "__main__":
    main()
