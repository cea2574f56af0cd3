"""The checks are never green without having looked: whatever hides a file, or a fault in it, is said.

Each test was green, or silent, or ended the whole run before.
"""

import json
import os
import re
import shutil
import sys

import pytest

from tests.conftest import TEMPLATE, run
from tests.dag_integrity.test_integrity import EXAMPLES, check, expected, project_with

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("integrity-looked-at")]

POLICY = 'owners = ["data-team"]\n'
GOOD = (EXAMPLES / "good" / "good_retries.py").read_text()
COMMAND = [".venv/bin/python", "-m", "dag_integrity"]


def dag(name, before="", **replaced):
    """A DAG file with nothing wrong, but for what is put in front of its DAG or in place of its texts."""
    text = GOOD.replace("good_retries", name).replace("\nwith DAG(", f"\n{before}\nwith DAG(", 1)
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    return text


def rules_of(report, name):
    return sorted(f["rule"] for f in report["findings"] if f["file"] == f"dags/{name}.py")


@pytest.fixture
def project(installed, tmp_path):
    """A project whose DAG folder is empty, and that folder."""
    return project_with(installed, tmp_path, POLICY)


READ = "from airflow.sdk import BaseHook, Variable\n"
IGNORE = "  # dag-integrity: ignore[forbidden-at-import] an example"


def test_what_is_exempt_from_a_rule_is_checked_by_the_others(project):
    """A read that is exempt gives its default, or what the policy says; without either the file is not checked."""
    folder, dags = project
    known = 'variables = { size = "7", shops = "[1, 2]" }\nconnections = { shop = "postgres://u:p@host/db" }\n'
    (folder / "pyproject.toml").write_text((folder / "pyproject.toml").read_text() + known)
    reads = {
        "default": "LIMIT = Variable.get('limit', default=3)",
        "positional": "LIMIT = Variable.get('limit', 3)",
        "given": "LIMIT = int(Variable.get('size')) + 1",
        "json": "LIMIT = len(Variable.get('shops', deserialize_json=True))",
        "connection": "LIMIT = len(BaseHook.get_connection('shop').host)",
        "command": "import subprocess\nLIMIT = subprocess.run(['true']).returncode + 1",
    }
    for name, read in reads.items():
        (dags / f"{name}.py").write_text(dag(name, READ + read + IGNORE, tags="tagz"))
    (dags / "unknown.py").write_text(dag("unknown", f"{READ}LIMIT = Variable.get('other'){IGNORE}"))
    swallowed = f"try:\n    LIMIT = Variable.get('other'){IGNORE}\nexcept Exception:\n    LIMIT = 1"
    (dags / "swallowed.py").write_text(dag("swallowed", READ + swallowed))
    report, printed = check(folder, expect=1)
    by_file = {name: rules_of(report, name) for name in reads}
    assert by_file == {name: ["import-error"] for name in reads}, printed  # DAG(tagz=…), and nothing else hides it
    assert rules_of(report, "swallowed") == []
    assert rules_of(report, "unknown") == ["not-checked"]
    assert "Variable other has no default" in printed
    assert f"({len(reads) + 1} not parsed)" in printed.splitlines()[-1]
    assert "not parsed: dags/unknown.py" in printed
    for name in reads:
        (dags / f"{name}.py").write_text(dag(name, READ + reads[name] + IGNORE))
    (dags / "unknown.py").unlink()
    report, printed = check(folder, expect=0)
    assert len(report["dags"]) == len(reads) + 1
    assert "(0 not parsed)" in printed.splitlines()[-1]


def test_a_rule_that_is_off_hides_no_other(project):
    folder, dags = project
    (folder / "pyproject.toml").write_text((folder / "pyproject.toml").read_text() + 'off = ["forbidden-at-import"]\n')
    read = f"{READ}LIMIT = Variable.get('limit', default=3)"
    (dags / "off.py").write_text(dag("off", read).replace('tags=["example"],', ""))
    report, _ = check(folder, expect=1)
    assert rules_of(report, "off") == ["tags"]
    assert [one["dag_id"] for one in report["dags"]] == ["off"]


def test_an_exempt_import_error_is_still_no_dag(project):
    """The last lines say it, though no finding is left."""
    folder, dags = project
    reason = "# dag-integrity: ignore[import-error] only the image has it"
    (dags / "elsewhere.py").write_text(f"{reason}\n{dag('elsewhere', 'import only_in_the_image')}")
    _, printed = check(folder, expect=0)
    assert printed.splitlines()[-2:][0] == "not parsed: dags/elsewhere.py"
    assert "0 DAGs in 1 file (1 not parsed): no findings" in printed


@pytest.fixture(scope="module")
def beside_each_other(installed, tmp_path_factory):
    """The report on files that have nothing to do with each other, and what was printed: one run for all of them."""
    folder, dags = project_with(installed, tmp_path_factory.mktemp("beside"), POLICY)
    reason = "# dag-integrity: ignore[tags] an example"
    no_tags = dag("x").replace('tags=["example"],', "")
    two = no_tags.replace("with DAG", f"{reason}\n# of many lines\n\nwith DAG", 1) + no_tags[no_tags.index("\nwith") :]
    terms = " + ".join(["len({1, 2})"] * 2500)
    kill = "import os\nimport signal\nos.kill(os.getppid(), signal.SIGKILL)"
    files = {
        "below": two.replace('"x"', '"y"', 1),
        "head": f"{reason}\n" + two.replace(f"{reason}\n", "").replace('"x"', '"z"', 1),
        "end": dag("end").replace('tags=["example"],', "") + f"\n{reason}\n",
        "long": dag("long", f"TOTAL = {terms}"),
        "fine": dag("fine").replace('tags=["example"],', ""),
        "owner": dag("owner").replace('"owner": "data-team"', '"owner": ["data-team"]'),
        "murder": dag("murder", kill),
        "exempt": dag("exempt", "import os\nos.kill(os.getppid(), 9)" + IGNORE),
    }
    for name, text in files.items():
        (dags / f"{name}.py").write_text(text)
    os.mkfifo(dags / "pipe.py")
    return check(folder, expect=1)


def test_a_comment_means_the_line_below_and_at_the_head_the_file(beside_each_other):
    report, printed = beside_each_other
    assert rules_of(report, "below") == ["tags"], printed
    assert "tags" not in rules_of(report, "head"), printed
    assert rules_of(report, "end") == ["exemption", "tags"], printed


def test_a_long_expression_is_stable(beside_each_other):
    """2,500 terms are legal Python: the second parse, which changes the syntax tree, is no shallower."""
    report, printed = beside_each_other
    assert "dags/long.py" in [one["file"] for one in report["dags"]]
    assert rules_of(report, "long") == [], printed


def test_no_file_stops_the_checks_of_the_others(beside_each_other):
    """A value that a rule cannot bear, the end of the process that runs the checks, a pipe without a writer."""
    report, printed = beside_each_other
    assert rules_of(report, "fine") == ["tags"], printed
    assert {"not-checked"} <= {*rules_of(report, "owner")} <= {"not-checked", "owner", "serialization"}, printed
    assert rules_of(report, "murder") == ["forbidden-at-import"]
    assert rules_of(report, "pipe") == ["hidden-dag"]
    assert "not parsed: dags/exempt.py" in printed
    assert "Traceback" not in printed


# A ruff that dies at one file, and a Python without a module
DYING = """
import os, subprocess, sys
if any(name.endswith("deep.py") for name in sys.argv):
    os.abort()
path = [entry for entry in sys.path if not entry.endswith("dying")]
code = f"import sys; sys.path[:] = {path!r}; import runpy; runpy.run_module('ruff', run_name='__main__')"
sys.exit(subprocess.run([sys.executable, "-c", code, *sys.argv[1:]]).returncode)
"""
WITHOUT = """
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "{0}" else find(name, *rest)
sys.modules["{0}"] = None
"""


def without(module, folder):
    """A folder for PYTHONPATH with which Python has no such module."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(WITHOUT.format(module))
    return str(folder)


def test_ruff_that_dies_or_is_missing_is_said(project, tmp_path):
    """The file that it cannot read is named, the others have its findings; without ruff nothing is green."""
    folder, dags = project
    (dags / "deep.py").write_text(dag("deep", "TOTAL = " + " + ".join(["1"] * 2_500)))
    for name in ("one", "two", "three"):
        (dags / f"{name}.py").write_text(dag(name))
    (dags / "moved.py").write_text(dag("moved", "from airflow.operators.bash import BashOperator\nKIND = BashOperator"))
    moved = "Write from airflow.providers.standard.operators.bash import BashOperator"
    _, printed = check(folder, expect=1)  # the real one may die of this, if it reads other files, too
    assert moved in printed
    (tmp_path / "dying" / "ruff").mkdir(parents=True)
    (tmp_path / "dying" / "ruff" / "__init__.py").touch()
    (tmp_path / "dying" / "ruff" / "__main__.py").write_text(DYING)
    report, printed = check(folder, expect=1, PYTHONPATH=str(tmp_path / "dying"))
    assert rules_of(report, "deep") == ["not-checked"], printed
    assert rules_of(report, "one") == []
    assert moved in printed
    path = without("ruff", tmp_path / "no_ruff")
    for options in ([], ["--static", "dags/one.py"]):
        printed = run([*COMMAND, *options], cwd=folder, expect=2, PYTHONPATH=path)
        assert re.fullmatch(r"ruff, .* pip install ruff\.\n", printed), printed


def test_the_environment_of_the_caller_is_not_that_of_a_pod(project):
    """What helm/values.yaml and the policy set is there, and nothing of the shell."""
    folder, dags = project
    for name in ("stage", "level"):
        (dags / f"{name}.py").write_text(dag(name, f'import os\n\nVALUE = os.environ["{name.upper()}"]'))
    report, printed = check(folder, expect=1, STAGE="laptop", LEVEL="laptop")
    assert rules_of(report, "stage") == rules_of(report, "level") == ["import-error"]
    assert 'os.environ.get("STAGE", …)' in printed
    values = folder / "helm" / "values.yaml"
    values.write_text(values.read_text().replace("\nenv:\n", "\nenv:\n  - {name: STAGE, value: production}\n"))
    with (folder / "pyproject.toml").open("a") as file:
        file.write('environment = { LEVEL = "test" }\n')
    check(folder, expect=0)


def test_nothing_is_read_from_an_airflowignore_that_is_a_pipe(project):
    folder, dags = project
    (dags / "fine.py").write_text(dag("fine"))
    os.mkfifo(dags / ".airflowignore")
    report, _ = check(folder, expect=1)
    assert [(f["file"], f["rule"]) for f in report["findings"]] == [("dags/.airflowignore", "hidden-dag")]


def test_no_file_and_no_airflow_are_no_success(project, tmp_path):
    folder, dags = project
    printed = run(COMMAND, cwd=folder, expect=2)
    assert "Nothing was checked in dags: there is no DAG file." in printed
    (dags / "fine.py").write_text(dag("fine"))
    assert "--static only" in run([*COMMAND, "dags/fine.py"], cwd=folder, expect=2)
    # pre-commit names every Python file of a commit: that none is in the folder is no fault, and it is said
    assert "Nothing was checked" in run([*COMMAND, "--static", "tests/conftest.py"], cwd=folder, expect=0)
    path = without("airflow", tmp_path / "without")
    printed = run(COMMAND, cwd=folder, expect=2, PYTHONPATH=path)
    assert len(printed.splitlines()) == 1, printed
    assert "install Apache Airflow" in printed


COMPACT = """
import ast
from dag_integrity.syntax import LARGE, compact
rows = ["1", "(2, 'x', None, (b'y', 1.5))", "f()", "-3", "[4]", "(1, [2])", "{'a': 1}"]
text = f"A = [{', '.join(rows * 300 + ['5'] * 3000)}]\\nB = ({', '.join(rows[:2] * 900)})"
whole, small, made = {"f": lambda: 7}, {"f": lambda: 7}, ast.parse(text)
exec(compile(text, "x", "exec"), whole)
exec(compile(compact(ast.parse(text), LARGE + 1), "x", "exec"), small)
assert [(small[name], type(small[name])) for name in "AB"] == [(whole[name], type(whole[name])) for name in "AB"]
many, few = (len(list(ast.walk(tree))) for tree in (ast.parse(text), compact(made, LARGE + 1)))
assert few < many / 2, (few, many)
"""


def test_a_table_of_literals_is_one_constant(bake):
    """The nodes of 5 MB of literals took more than a gigabyte; its values are the same."""
    run([sys.executable, "-B", "-c", COMPACT], cwd=bake())


PYTHON = """
from pathlib import Path
from dag_integrity.config import read_policy
print(read_policy(Path()).python)
"""


def test_the_python_that_is_not_stated_is_that_of_the_project(bake_fresh):
    """Its oldest, or that which runs the checks; not one that nobody has named."""
    project = bake_fresh()
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    for text, python in (('[project]\nrequires-python = ">=3.12,<4"\n', "3.12"), ("", here)):
        (project / "pyproject.toml").write_text(text)
        assert run([sys.executable, "-B", "-c", PYTHON], cwd=project) == f"{python}\n"


BLIND = {
    "sets": "perturb.perturbed = lambda value, name='': value",
    "listings": "perturb._reverse_listings = lambda: None",
    "random": "perturb.Numbers.shift = property(lambda self: False, lambda self, value: None)",
    "Variables": "guard.Guard.watch = lambda self: None",
}


@pytest.mark.parametrize("gone", [{"listings"}, BLIND.keys() - {"listings"}], ids=["one", "the others"])
def test_checks_that_have_gone_blind_do_not_run(project, gone):
    """The canary: with one of the instruments out of order there is no report, but one line and exit code 2."""
    folder, dags = project
    (dags / "fine.py").write_text(dag("fine"))
    lines = ["import sys", "from dag_integrity.sandbox import guard, perturb", *(BLIND[what] for what in gone)]
    lines += ["from dag_integrity.cli import main", "sys.exit(main([]))"]
    printed = run([".venv/bin/python", "-c", "\n".join(lines)], cwd=folder, expect=2)
    assert len(printed.splitlines()) == 1, printed
    assert {what for what in BLIND if what in printed} == gone


def test_all_that_is_unstable_is_found_on_the_next_airflow(project, next_airflow):
    """Airflow 3.4 has other importers, and loads DAG files by a loader of its own."""
    folder, dags = project
    for name in ("broken", "broken_helpers", "good", "good_helpers"):
        (dags / name).mkdir()
    files = sorted((EXAMPLES / "broken").glob("unstable_*.py")) + sorted((EXAMPLES / "good").glob("good_unstable*.py"))
    for path in [*files, *(EXAMPLES / "broken_helpers").glob("*.py"), *(EXAMPLES / "good_helpers").glob("*.py")]:
        shutil.copy(path, dags / path.relative_to(EXAMPLES))
    (dags / ".airflowignore").write_text("broken_helpers/\ngood_helpers/\n")
    command = [next_airflow, "-m", "dag_integrity", "--json", "report.json"]
    run(command, cwd=folder, expect=1, PYTHONPATH=str(TEMPLATE / "src"))
    report = json.loads((folder / "report.json").read_text())
    assert len(files) > 15
    for path in files:
        name = path.relative_to(EXAMPLES).as_posix()
        found = {f["rule"] for f in report["findings"] if f["file"] == f"dags/{name}" and f["rule"] != "owner"}
        assert found == {rule for _, rule in expected(name)}, name
