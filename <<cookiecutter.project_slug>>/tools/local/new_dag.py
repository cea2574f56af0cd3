"""make new-dag NAME=orders: a DAG file, its module of functions and a test, made from new_dag/."""

import importlib.util
import keyword
import re
import subprocess
import sys
from pathlib import Path
from string import Template

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = Path(__file__).resolve().parent / "new_dag"
DAGS = Path("<< cookiecutter.dags_subpath >>")
PACKAGE = "<< cookiecutter.__package >>"
LONGEST = 40


def targets(name: str) -> dict[str, Path]:
    """Return where each template's file goes, relative to the repository."""
    return {
        "dag.py.txt": DAGS / f"{name}.py",
        "functions.py.txt": DAGS / PACKAGE / f"{name}.py",
        "test.py.txt": Path("tests") / f"test_{name}.py",
    }


def objection(name: str) -> str | None:
    """Return why no DAG can have this name, or None when one can."""
    if not name:
        return "Say which name the DAG shall have: make new-dag NAME=orders"
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or len(name) > LONGEST:
        return f"{name!r} is no name for a DAG: use a-z, 0-9 and _, a letter first, at most {LONGEST} in all."
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        return f"{name} is a word of the Python language: choose another name."
    if name == PACKAGE or (ROOT / DAGS / name).exists():
        return f"{DAGS / name}/ exists: choose another name."
    for path in targets(name).values():
        if (ROOT / path).exists():
            return f"{path} exists: choose another name, or remove it first."
    # Airflow puts the DAG folder on sys.path, where the file could be imported in place of such a module.
    if name in sys.stdlib_module_names or importlib.util.find_spec(name):
        return f"{name} is the name of a Python module: choose another name."
    return None


def write(name: str) -> list[Path]:
    """Write the three files and return their paths, relative to the repository."""
    values = {"name": name, "title": name.replace("_", " ").capitalize()}
    for template, path in targets(name).items():
        text = Template((TEMPLATES / template).read_text(encoding="utf-8")).substitute(values)
        (ROOT / path).write_text(text, encoding="utf-8")
    return list(targets(name).values())


def main(arguments: list[str]) -> int:
    """Make the DAG that the arguments name; return the exit code."""
    name = " ".join(arguments)
    if problem := objection(name):
        print(problem, file=sys.stderr)
        return 1
    paths = write(name)
    # How long a name is decides where lines break.
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", *paths], cwd=ROOT, check=True)
    print("Made " + ", ".join(map(str, paths)))
    print(f"Next: make test DAG={name}, and write what you need in {paths[1]}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
