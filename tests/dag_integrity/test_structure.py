"""How the checks are built: no import goes in a circle, rules are found by entry points, sizes are kept."""

import ast
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter

import pytest

from tests.conftest import TEMPLATE

PACKAGE = TEMPLATE / "src" / "dag_integrity"
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}
RULES = """
from dag_integrity import rule

@rule("no-monday", "file", "Write another day")
def no_monday(source):
    "No file speaks of Monday."
    if "Monday" in source.text:
        yield "It speaks of Monday"
"""


def imported_by(name, everywhere=False):
    """The modules of the package that this one imports, at its top or everywhere."""
    path = MODULES[name]
    tree = ast.parse(path.read_text())
    parts = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.ImportFrom) and node.level:
            base = ".".join([*parts[: len(parts) - node.level + 1], *([node.module] if node.module else [])])
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield full if full in MODULES else base


def test_no_import_goes_in_a_circle():
    TopologicalSorter({name: set(imported_by(name)) - {name} for name in MODULES}).prepare()


@pytest.mark.parametrize("name", MODULES)
def test_only_the_sandbox_imports_airflow_at_its_top(name):
    tops = [node for node in ast.parse(MODULES[name].read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [getattr(node, "module", None) or node.names[0].name for node in tops if not getattr(node, "level", 0)]
    assert not [one for one in names if one.split(".")[0] == "airflow"] or ".sandbox." in name


def test_the_pool_and_the_model_know_nothing_of_the_rest():
    assert set(imported_by("dag_integrity.pool", everywhere=True)) == {"dag_integrity.model"}
    assert set(imported_by("dag_integrity.model", everywhere=True)) == set()


@pytest.mark.parametrize("name", MODULES)
def test_files_and_functions_keep_their_size(name):
    text = MODULES[name].read_text()
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            assert node.end_lineno - first < 45, node.name


def test_the_distribution_names_all_modules_with_rules():
    project = tomllib.loads((TEMPLATE / "pyproject.toml").read_text())["project"]
    named = project["entry-points"]["dag_integrity.rules"]
    assert set(named.values()) == {
        name for name, path in MODULES.items() if ".rules." in name and "rule(" in path.read_text()
    }
    code = "from dag_integrity.rules import OWN, __name__ as name; print(*(f'{name}.{one}' for one in OWN))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == set(named.values())


def run_with_package(folder, rules):
    """Run the checks where a package of somebody else's is installed, which brings rules."""
    (folder / "repository" / "dags").mkdir(parents=True)
    (folder / "repository" / "dags" / "a.py").write_text("from airflow.sdk import DAG\n\nDAG('a', tags=['Monday'])\n")
    (folder / "others").mkdir()
    (folder / "others" / "their_rules.py").write_text(rules)
    (folder / "others" / "their_rules-1.dist-info").mkdir()
    (folder / "others" / "their_rules-1.dist-info" / "METADATA").write_text("Name: their-rules\nVersion: 1\n")
    points = "[dag_integrity.rules]\ntheirs = their_rules\n"
    (folder / "others" / "their_rules-1.dist-info" / "entry_points.txt").write_text(points)
    code = (
        f"import sys; sys.path.append({str(folder / 'others')!r}); from dag_integrity.cli import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", code, "--static", "dags/a.py"]
    return subprocess.run(command, cwd=folder / "repository", capture_output=True, text=True)


def test_rules_of_another_package_are_found(tmp_path):
    done = run_with_package(tmp_path, RULES)
    assert done.stdout == "dags/a.py:1: no-monday: It speaks of Monday. Write another day.\n", done.stderr
    assert done.returncode == 1


def test_rules_of_another_package_that_cannot_be_loaded_are_said(tmp_path):
    done = run_with_package(tmp_path, "from dag_integrity import nothing_of_the_kind\n")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert "The rules of package their-rules cannot be loaded: ImportError" in done.stderr
