"""Which DAG files a change reaches: by what they import from the DAG folder, found without importing anything."""

import ast
import filecmp
from pathlib import Path

# What the runs themselves leave.
LEFT = {".git", ".airflow", ".venv", "__pycache__"}


def changed_files(before: Path, after: Path) -> set[str]:
    """The files that differ, or are on one side alone, as paths from the project's root."""
    names = [set(files(side)) for side in (before, after)]
    both = names[0] & names[1]
    same = {name for name in both if filecmp.cmp(before / name, after / name, shallow=False)}
    return (names[0] | names[1]) - same


def files(root: Path) -> list[str]:
    paths = (path.relative_to(root) for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    return [str(path) for path in paths if LEFT.isdisjoint(path.parts)]


def dag_files(dags: Path, root: Path, changed: set[str]) -> list[str]:
    """The Python files of the DAG folder that a change reaches, as paths from the root.

    A file that is no Python, like a sample, counts for the modules of its folder, or of the closest above it.
    """
    found = []
    for path in sorted(dags.rglob("*.py")):
        needed = closure(path, dags)
        if any(reaches(root / name, needed, dags) for name in changed):
            found.append(str(path.relative_to(root)))
    return found


def reaches(change: Path, needed: set[Path], dags: Path) -> bool:
    if change.suffix == ".py" or dags not in change.parents:
        return change in needed
    folders = [folder for folder in change.parents if folder == dags or dags in folder.parents]
    closest = next((folder for folder in folders if any(folder.glob("*.py"))), dags)
    return any(path.parent == closest for path in needed)


def closure(path: Path, dags: Path) -> set[Path]:
    """The file, and the files of the DAG folder that it imports, and so on."""
    found, left = set(), [path]
    while left:
        one = left.pop()
        if one not in found:
            found.add(one)
            left += imported(one, dags)
    return found


def imported(path: Path, dags: Path) -> list[Path]:
    """The files of the DAG folder that this one imports, wherever it does so; all of them where it cannot be parsed."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return list(dags.rglob("*.py"))
    package = path.parent.relative_to(dags).parts
    names: set[tuple[str, ...]] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {tuple(alias.name.split(".")) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = (*above, *(node.module.split(".") if node.module else ()))
            names |= {module, *((*module, alias.name) for alias in node.names)}
    files = []
    for name in names:
        for length in range(1, len(name) + 1):  # importing a.b imports a, too
            place = dags.joinpath(*name[:length])
            files += [each for each in (place.with_suffix(".py"), place / "__init__.py") if each.is_file()]
    return files
