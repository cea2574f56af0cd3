"""Bake the default project and count its files and lines, room by room.

Lines are those of Python files, blank ones and comments included; files are all that git would take.
"""

import tempfile
from pathlib import Path

from cookiecutter.main import cookiecutter

TEMPLATE = Path(__file__).resolve().parents[1]
# Room → (its name in the table, most lines, most files): where each should get to.
GOALS = {
    "example": ("DAG files and the example", 250, None),
    "daily": ("library: daily/", 1400, 9),
    "tools": ("tools: local, secrets, cluster", 1700, None),
    "integrity": ("tools: dag_integrity", 1500, 12),
    "outside": ("all files outside tools/", None, 35),
}


def room(path):
    """Return which rooms a file (a path from the project's root) counts for."""
    parts = path.parts
    if parts[0] == "tools":
        return "integrity" if parts[1] == "dag_integrity" else "tools"
    if parts[0] == "dags":
        return "daily" if "daily" in parts else "example"
    return "rest"


def count(project):
    """Return room → (Python lines, Python files), and for "outside" the number of all files outside tools/."""
    lines, files, outside = dict.fromkeys(GOALS, 0), dict.fromkeys(GOALS, 0), 0
    for path in sorted(project.rglob("*")):
        name = path.relative_to(project)
        secret = name.parts[0] == "secrets" and name.name != ".gitignore"
        if not path.is_file() or secret or {".git", "__pycache__"} & set(name.parts):
            continue
        outside += name.parts[0] != "tools"
        if path.suffix == ".py" and room(name) in lines:
            lines[room(name)] += len(path.read_text(encoding="utf-8").splitlines())
            files[room(name)] += 1
    return {name: (lines[name], files[name]) for name in GOALS} | {"outside": (None, outside)}


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
