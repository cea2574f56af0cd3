"""Count the files and lines of what a project owns, and of what it installs, beside the goals.

Lines are those of Python files, blank ones and comments included; files are all that git would take, samples left out.
"""

import tempfile
from pathlib import Path

from cookiecutter.main import cookiecutter

TEMPLATE = Path(__file__).resolve().parents[1]
# Room → (its name in the table, most lines, most files): where each should get to.
GOALS = {
    "example": ("DAG files and the example", 250, None),
    "datasets": ("library: datasets/", 1400, 8),
    "project": ("all that a project owns", 2000, 50),
    "etl_tools": ("installed: etl_tools", None, None),
    "dag_integrity": ("installed: dag_integrity", None, None),
}


def rooms(name):
    """Return which rooms a file of the project (a path from its root) counts for."""
    if name.parts[0] != "dags":
        return ("project",)
    return ("project", "datasets" if "datasets" in name.parts else "example")


def files_of(folder):
    """Return the files below a folder as paths from it: no keys, samples, git's own or compiled bytecode."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        secret = name.parts[0] == "secrets" and name.name != ".gitignore"
        if path.is_file() and not secret and not {".git", "__pycache__", "sample"} & set(name.parts):
            yield name


def lines_of(path):
    return len(path.read_text(encoding="utf-8").splitlines()) if path.suffix == ".py" else 0


def count(project):
    """Return room → (Python lines, files); of the library and of what is installed only Python files count."""
    lines, files = dict.fromkeys(GOALS, 0), dict.fromkeys(GOALS, 0)
    for name in files_of(project):
        for room in rooms(name):
            lines[room] += lines_of(project / name)
            files[room] += room == "project" or name.suffix == ".py"
    for package in ("etl_tools", "dag_integrity"):
        for name in files_of(TEMPLATE / "src" / package):
            lines[package] += lines_of(TEMPLATE / "src" / package / name)
            files[package] += name.suffix == ".py"
    return {name: (lines[name], files[name]) for name in GOALS}


def table(sizes):
    """Return the counts beside their goals, as text."""
    rows = [("", "lines", "goal", "files", "goal")]
    for name, (title, most_lines, most_files) in GOALS.items():
        lines, files = sizes[name]
        rows.append((title, lines, most_lines, files, most_files))
    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    return "\n".join(f"{row[0]:<32}" + "".join(f"{cell:>8}" for cell in row[1:]) for row in texts)


def main():
    """Print the table; the status is 0 whatever the sizes are (a test holds them)."""
    with tempfile.TemporaryDirectory() as folder:
        # The hooks write nothing that counts.
        project = cookiecutter(str(TEMPLATE), no_input=True, accept_hooks=False, output_dir=folder, default_config=True)
        print(table(count(Path(project))))


if __name__ == "__main__":
    main()
