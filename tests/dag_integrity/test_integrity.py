"""Every rule of the generated DAG checks fires on its broken examples, where they say, and on no good one.

The examples are the DAG files beside this file. `# expect: rule` at the end of a line is what the checks must find
there, `# expect-above: rule` what they must find in the line above; there must be nothing else. `# cure: OLD => NEW` is
what the finding says to do; with it done, nothing is found. Two runs check them all, broken and cured.
"""

import json
import re
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import TEMPLATE, run
from tests.dag_integrity.examples import EXAMPLES, FILES, cure, cures, expected

POLICY = """
time-limit = 8
import-budget = 1
python = "3.9"
owners = ["data-team"]
stock-image = true
external-assets = ["s3://elsewhere/*"]
connections = { warehouse = "postgres://etl@host/db" }
exempt = [{ rule = "owner", dag = "nobody*", reason = "stale in the policy" }]
"""
# Of these, the cure is in another file, or is a new file or an entry of .airflowignore.
CURED_ELSEWHERE = {
    "broken/airflow_3_helper.py", "broken/asset_name_one.py", "broken/duplicate_dag_id.py",
    "broken/heavy_import_helper.py", "broken/partitioned_asset_plain_producer.py",
    "broken/partitioned_asset_producer.py", "broken/unstable_operator.py",
}  # fmt: skip
# Cured by another name, place or line of .airflowignore.
MOVED = {
    "airflow/helpers.py": "renamed/helpers.py",
    "broken/twice/duplicate_dag_id.py": "broken/twice/second_dag_id.py",
    "broken_helpers/hidden_dag.py": "broken/hidden_dag.py",
}
IGNORED = ["renamed/", "broken/no_dag.py", "broken/no_dag_skipped_helper.py"]

PROVIDER = """
def info():
    uris = [{"schemes": ["lib"], "handler": "lib_assets.sanitize"}]
    return {"package-name": "lib-provider", "name": "Lib", "description": "", "versions": ["1"], "asset-uris": uris}
"""

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("integrity")]


def project_with(installed, folder, policy, **answers):
    """Return a private copy of an installed project with an empty DAG folder, sharing its .venv, and this policy."""
    source = installed(**answers)
    project = folder / "project"
    shutil.copytree(source, project, ignore=shutil.ignore_patterns(".venv", ".git", ".airflow"))
    (project / ".venv").symlink_to(source / ".venv")
    if policy is not None:
        pyproject = project / "pyproject.toml"
        text = re.sub(r"(?ms)^\[tool\.dag-integrity\]\n.*?(?=^\[|\Z)", "", pyproject.read_text())
        pyproject.write_text(f"{text}\n[tool.dag-integrity]\n{policy}")
    dags = project / answers.get("dags_subpath", "dags")
    shutil.rmtree(dags)
    dags.mkdir(parents=True)
    return project, dags


def check(project, *options, expect=None, **environment):
    """Run the checks of a project; return the report and what was printed."""
    report = project / "report.json"
    command = [".venv/bin/python", "-m", "dag_integrity", "--all", "--json", report, *options]
    printed = run(command, cwd=project, expect=expect, **environment)
    return json.loads(report.read_text()), printed


@pytest.fixture(scope="module")
def libraries(installed, tmp_path_factory):
    """A folder for PYTHONPATH: a database library in C, Kubernetes' client, one whose import starts a process."""
    folder = tmp_path_factory.mktemp("libraries")
    python = installed() / ".venv" / "bin" / "python"
    # Compiled, as in an image: or their import would be over the budget.
    install = ["uv", "pip", "install", "--quiet", "--compile-bytecode", "--python", python, "--target", folder]
    run([*install, "psycopg2-binary", "kubernetes"], cwd=folder)
    (folder / "lib_with_ldconfig.py").write_text(
        "import subprocess\nimport sys\nimport tempfile\nimport types\n\n"
        'FOUND = subprocess.run(["true"], check=True).returncode\n'
        # As an operator brings the hook that it uses; to import an operator is no fault.
        'sys.modules["airflow.providers.cncf.kubernetes.hooks"] = types.ModuleType("hooks")\n'
        "def cache():\n    with tempfile.TemporaryDirectory() as folder:\n"
        "        open(f'{folder}/cached', 'w').close()\n"
    )
    (folder / "polars.py").write_text("")
    (folder / "lib_with_frames.py").write_text("import polars\n")
    (folder / "lib_with_operator.py").write_text(
        "import polars\nfrom airflow.sdk import BaseOperator\n\n\nclass FramesOperator(BaseOperator):\n"
        "    def execute(self, context):\n        return len(polars.DataFrame())\n"
    )
    (folder / "lib_with_variable.py").write_text(
        'from airflow.sdk import Variable\n\nLIMIT = Variable.get("limit", default=1)\n'
    )
    old = folder / "airflow" / "providers" / "lib_old"
    old.mkdir(parents=True)
    (old / "hooks.py").write_text("from airflow.hooks.dbapi import DbApiHook\n")
    (old / "transfers.py").write_text("import airflow.providers.ftp.hooks.ftp\n")
    # A provider whose module about assets imports something heavy, which no DAG file can help.
    (folder / "dask.py").write_text("")
    (folder / "lib_provider.py").write_text(PROVIDER)
    (folder / "lib_assets.py").write_text("import dask\n\n\ndef sanitize(uri):\n    return uri\n")
    (folder / "lib_provider-1.dist-info").mkdir()
    (folder / "lib_provider-1.dist-info" / "METADATA").write_text("Name: lib-provider\nVersion: 1\n")
    (folder / "lib_provider-1.dist-info" / "entry_points.txt").write_text(
        "[apache_airflow_provider]\nprovider_info = lib_provider:info\n"
    )
    return str(folder)


def examples_in(installed, folder, change=lambda name, text: text):
    """A project whose DAG folder has the examples, each changed by a function of its name and text."""
    project, dags = project_with(installed, folder, POLICY)
    lock = "psycopg2-binary==2.9.9\nlib-with-frames\nlib-with-ldconfig\nlib-with-operator\n"
    lock += "lib-with-variable\npre-commit\n"
    (project / "requirements-image.lock").write_text(lock)
    for name in FILES:
        (dags / name).parent.mkdir(parents=True, exist_ok=True)
        (dags / name).write_text(change(name, (EXAMPLES / name).read_text()))
    shutil.copy(EXAMPLES / "airflowignore", dags / ".airflowignore")
    return project, dags


@pytest.fixture(scope="module")
def checked(installed, libraries, tmp_path_factory):
    """The examples in a project of their own, checked once: the report and what was printed."""
    project, dags = examples_in(installed, tmp_path_factory.mktemp("integrity"))
    with zipfile.ZipFile(dags / "packed.zip", "w") as archive:
        archive.write(EXAMPLES / "good" / "good_retries.py", "packed.py")
    (dags / "dangling.py").symlink_to("nowhere.py")
    options = ["--gitlab", "build/quality.json"]
    report, printed = check(project, *options, expect=1, GITHUB_ACTIONS="true", PYTHONPATH=libraries)
    assert list(Path(libraries, "__pycache__").glob("lib_with_ldconfig*")), "compiled at every parse"
    assert not list(dags.rglob("__pycache__"))
    return project, report, printed


@pytest.fixture(scope="module")
def cured(installed, libraries, tmp_path_factory):
    """The report on the examples after every cure."""
    project, dags = examples_in(installed, tmp_path_factory.mktemp("cured"), cure)
    for old, new in MOVED.items():
        (dags / new).parent.mkdir(exist_ok=True)
        (dags / old).rename(dags / new)
    ignored = dags / ".airflowignore"
    ignored.write_text("\n".join([*ignored.read_text().split(), *IGNORED]))
    report, _ = check(project, PYTHONPATH=libraries)
    return report


def found(report, file):
    return sorted((f["line"], f["rule"]) for f in report["findings"] if f["file"] == f"dags/{file}")


@pytest.mark.parametrize("file", FILES)
def test_example(checked, file):
    _, report, _ = checked
    lines = "\n".join(f["text"] for f in report["findings"] if f["file"] == f"dags/{file}")
    assert found(report, file) == sorted(expected(file)), lines


def test_every_broken_example_has_a_cure():
    broken = {file for file in FILES if list(expected(file))}
    without = {file for file in broken if not list(cures((EXAMPLES / file).read_text()))}
    assert without <= CURED_ELSEWHERE | {*MOVED, *IGNORED, "broken_helpers/frames.py"}


def test_every_cure_cures(cured):
    """Every example as its finding says to write it: nothing is found any more."""
    lines = [finding["text"] for finding in cured["findings"] if finding["file"] != "pyproject.toml"]
    assert lines == []


def test_what_a_finding_says_to_write_is_its_cure(checked):
    """A cure that names an argument or a module is about what stands in the cured example."""
    _, report, _ = checked
    for finding in report["findings"]:
        name = finding["file"].removeprefix("dags/")
        text = (EXAMPLES / name).read_text() if name in FILES else ""
        named = re.match(r"Write (?:from )?([\w.]+)(?==| import)", finding["write"])
        # For an asset the example takes the other way that the finding names: it is external.
        if named and "# cure:" in text and finding["rule"] != "asset":
            assert named[1] in cure(name, text), finding["text"]


def test_every_rule_has_a_broken_example(installed):
    listed = run([".venv/bin/python", "-m", "dag_integrity", "--rules"], cwd=installed())
    rules = {line.split()[0] for line in listed.splitlines()}
    broken = {rule for file in FILES for _, rule in expected(file)}
    assert broken == rules - {"image-import"}
    assert all(not list(expected(file)) for file in FILES if file.startswith("good/"))


def test_each_finding_is_one_line_that_says_what_to_write(checked):
    _, report, printed = checked
    for finding in report["findings"]:
        line = f"{finding['file']}:{finding['line']}: {finding['rule']}: {finding['wrong']}. {finding['write']}."
        assert line in printed.splitlines()
        assert len(finding["write"]) > 5


def test_an_error_of_several_lines_is_told_from_its_first(checked):
    _, report, _ = checked
    wrong = next(f["wrong"] for f in report["findings"] if f["file"].endswith("import_error_argument.py"))
    assert wrong.startswith("TypeError: Invalid arguments were passed to BashOperator")
    assert "comand" in wrong


def test_what_differs_between_two_parses_is_shown(checked):
    _, report, _ = checked
    wrong = next(f["wrong"] for f in report["findings"] if f["file"].endswith("unstable_param.py"))
    assert wrong.endswith(" is 'north', then 'south'")  # in every run


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("import_error_standard_library", "the image's Python"),
        ("import_error_provider_module", "has no such module"),
        ("import_error_missing_file", "Put the file there"),
        ("import_error_dags", "Leave dags. out"),
        ("import_error_dags_missing", "dags has no nowhere/shops"),
        ("import_error_old_provider", "Take a newer apache-airflow-providers-lib-old"),
        ("import_error_provider_inside", "Add apache-airflow-providers-ftp "),
        ("template_beside", 'Write "say.sh" alone'),
        ("forbidden_variable_library", "set lib_with_variable up"),
        ("import_error_lists", "chain([a, b], [c, d])"),
        ("import_error_unpack", 'result["name"]'),
        ("import_error_called", "Leave the () out"),
        ("import_error_group", "group an id of its own"),
        ("import_error_long_id", "at most 250 characters"),
        ("import_error_asset_scheme", "another scheme"),
        ("import_error_environment", 'os.environ.get("STAGE", …)'),
        ("asset_pattern", "* means itself"),
        ("schedule_seconds", "five fields"),
        ("import_error_uncalled", "extract() >> load()"),
        ("import_error_none", "returns None"),
        ("import_error_two_dags", "TriggerDagRunOperator"),
        ("import_error_blank", "letters, digits"),
        ("import_error_seconds", "execution_timeout=timedelta("),
        ("import_error_arithmetic", "in a task"),
        ("import_error_expand", ".partial("),
        ("import_error_chain", "of one length"),
        ("import_error_trigger_rule", "from this list"),
        ("import_error_schedule_text", 'Asset("…")'),
        ("import_error_misspelt", "Write BashOperator"),
        ("xcom_group", "Write shop.count"),
        ("default_args_typo", "Write retry_delay"),
        ("op_arguments_removed", "Write data_interval_end"),
        ("serialization_weight_rule", 'weight_rule="downstream"'),
    ],
)
def test_the_cure_fits_the_case(checked, file, said):
    _, report, _ = checked
    name = f"dags/broken/{file}.py"
    assert said in next(f["write"] for f in report["findings"] if f["file"] == name)


def test_both_files_of_a_duplicate_are_named(checked):
    _, report, _ = checked
    lines = [f["text"] for f in report["findings"] if f["rule"] == "duplicate-dag-id"]
    assert any("broken/duplicate_dag_id.py" in line and "twice/duplicate_dag_id.py" in line for line in lines)


def test_what_airflow_would_parse_and_these_checks_cannot(checked):
    _, report, _ = checked
    assert found(report, "packed.zip") == [(1, "hidden-dag")]
    assert found(report, "dangling.py") == [(1, "hidden-dag")]


def test_a_stale_entry_of_the_policy_is_found(checked):
    project, report, _ = checked
    findings = [f for f in report["findings"] if f["file"] == "pyproject.toml"]
    assert [f["rule"] for f in findings] == ["exemption"]
    assert "stale in the policy" in (project / "pyproject.toml").read_text().splitlines()[findings[0]["line"] - 1]


def test_github_annotates_the_lines(checked):
    """With GITHUB_ACTIONS set each finding is also a workflow command for its file and line."""
    _, report, printed = checked
    for finding in report["findings"]:
        place = f"file={finding['file']},line={finding['line']},title={finding['rule']}"
        assert f"::{finding['severity']} {place}::" in printed


def test_gitlab_gets_a_code_quality_report(checked):
    project, report, _ = checked
    entries = json.loads((project / "build" / "quality.json").read_text())
    assert len(entries) == len(report["findings"]) == len({entry["fingerprint"] for entry in entries})
    for entry in entries:
        assert set(entry) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert entry["location"]["lines"]["begin"] >= 1


def test_static_rules_alone_import_nothing(checked):
    """The import-free rules on single files, with a Python path on which Airflow cannot be imported."""
    project, _, _ = checked
    (project / "no_airflow" / "airflow").mkdir(parents=True)
    (project / "no_airflow" / "airflow" / "__init__.py").write_text("raise SystemExit('Airflow was imported')\n")
    command = [".venv/bin/python", "-m", "dag_integrity", "--static"]
    for file, rule in (
        ("heavy_import", "heavy-import"),
        ("clock_today", "clock-at-import"),
        ("forbidden_variable", "forbidden-at-import"),
        ("secret_key", "secret"),
        ("airflow_3_moved", "airflow-3"),
        ("python_syntax", "python-syntax"),
        ("import_error_syntax", "import-error"),
        ("late_binding", "late-binding"),
        ("output_in_if", "output-in-if"),
        ("unstable_uuid", "unstable"),
    ):
        path = f"dags/broken/{file}.py"
        printed = run([*command, path], cwd=project, expect=1, PYTHONPATH=str(project / "no_airflow"))
        assert {line.split(": ")[1] for line in printed.splitlines()} == {rule}, printed
    good = sorted(path.relative_to(project) for path in (project / "dags" / "good").glob("*.py"))
    assert run([*command, *good, "README.md", "tests/conftest.py"], cwd=project) == ""


def test_pytest_names_every_file_in_junit_xml(installed, tmp_path):
    """One test per DAG file; its finding is the failure's whole message, its rule in a summary of 80 columns."""
    project, dags = project_with(installed, tmp_path, None)
    shutil.copy(EXAMPLES / "good" / "good_clock.py", dags)
    shutil.copy(EXAMPLES / "broken" / "tags_none.py", dags)
    command = [".venv/bin/python", "-m", "pytest", "tests/test_dag_integrity.py", "--junitxml=junit.xml"]
    printed = run(command, cwd=project, expect=1, COLUMNS="80", CI=None)
    assert "1 failed, 2 passed" in printed
    summary = next(line for line in printed.splitlines() if line.startswith("FAILED"))
    assert "tags" in summary.partition(" - ")[2]
    assert len(summary) <= 80
    xml = (project / "junit.xml").read_text()
    assert 'name="test_dag[good_clock]"' in xml
    assert "dags/tags_none.py:8: tags: DAG tags_none has no tags. Write" in xml
    assert "Traceback" not in printed
    assert "1 failed, 1 passed" in run(command, cwd=project, expect=1, DAG="tags_none")
    # The same without a module, by an option.
    (project / "none").mkdir()
    command = [".venv/bin/python", "-m", "pytest", "--dag-integrity", "none", "--junitxml=junit.xml"]
    printed = run(command, cwd=project, expect=1, CI=None)
    assert "1 failed, 2 passed" in printed
    assert "FAILED dags/tags_none.py::dag-integrity - Failed: tags" in printed
    assert "dags/tags_none.py:8: tags: DAG tags_none has no tags. Write" in (project / "junit.xml").read_text()
    assert "no tests ran" in run([*command[:3], "none"], cwd=project, expect=5)


def test_pytest_is_red_where_the_checks_end_in_the_middle(installed, tmp_path):
    """Their report was there, and without a finding: GitLab's, which comes after it, could not be written."""
    project, dags = project_with(installed, tmp_path, None)
    shutil.copy(EXAMPLES / "good" / "good_clock.py", dags)
    (project / "build").write_text("a file")
    for words in (["tests/test_dag_integrity.py"], ["--dag-integrity", "none"]):
        (project / "none").mkdir(exist_ok=True)
        command = [".venv/bin/python", "-m", "pytest", "-p", "no:junitxml", *words]
        assert "passed" in run(command, cwd=project, CI=None)
        printed = run(command, cwd=project, expect=1, CI=None, GITLAB_CI="true")
        assert "The checks could not run:" in printed
        assert "FileExistsError" in printed


def test_a_changed_file_is_never_answered_from_memory(installed, tmp_path):
    """What the old cache got wrong: a file hidden and shown again, a template file that is made later."""
    project, dags = project_with(installed, tmp_path, None)
    shutil.copy(EXAMPLES / "broken" / "template_file.py", dags)
    check(project, expect=1)
    (dags / ".airflowignore").write_text("template_file.py\n")
    report, _ = check(project, expect=1)
    assert [f["rule"] for f in report["findings"]] == ["hidden-dag"]
    (dags / ".airflowignore").unlink()
    report, _ = check(project, expect=1)
    assert [f["rule"] for f in report["findings"]] == ["template"]
    (dags / "missing.sh").write_text("true\n")
    check(project, expect=0)


def test_the_policy_is_checked(installed, tmp_path):
    """A policy that cannot be read as written gets a plain line."""
    project, _ = project_with(installed, tmp_path, "")
    sound = (project / "pyproject.toml").read_text()
    for line, said in (
        ("ownerz = []", "ownerz"),
        ('time-limit = "long"', "time-limit"),
        ("owners = 3", "owners"),
        ('dag-id-pattern = "("', "dag-id-pattern"),
        ('exempt = [{ rule = "tags" }]', "exempt"),
        ('off = ["tagz"]', "tagz"),
        ('dags-folder = "nowhere"', "nowhere"),
        ("[[", "pyproject.toml cannot be read"),
        ('own-rules = "tests/no_such_file.py"', "no_such_file"),
    ):
        (project / "pyproject.toml").write_text(f"{sound}\n{line}\n")
        printed = run([".venv/bin/python", "-m", "dag_integrity"], cwd=project, expect=2)
        assert said in printed
        assert "Traceback" not in printed
        assert len(printed.splitlines()) == 1


OWN_RULE = """
from dag_integrity import rule

DAG = "from airflow.sdk import DAG\\\\nwith DAG('x', schedule='%s'):\\\\n    pass\\\\n"


@rule("no-sunday", "dag", "Write schedule='0 4 * * 1-6'", broken=DAG % "0 4 * * 0", fixed=DAG % "0 4 * * 1-6")
def no_sunday(dag):
    "No DAG runs on a Sunday."
    if str(dag.stated.get("schedule", "")).endswith("* 0"):
        yield f"DAG {dag.dag.dag_id} runs on a Sunday"
""".replace("\\\\", "\\")


def test_a_rule_of_ones_own(installed, tmp_path):
    """One file of ten lines; with half of it forgotten, one line says which half."""
    project, dags = project_with(installed, tmp_path, 'owners = ["data-team"]\nown-rules = "tests/dag_rules.py"\n')
    good = (EXAMPLES / "good" / "good_schedule.py").read_text()
    (dags / "good_schedule.py").write_text(good.replace("0 0 29 2 *", "0 4 * * 0"))
    rules = project / "tests" / "dag_rules.py"
    rules.write_text(OWN_RULE)
    assert len(OWN_RULE.strip().splitlines()) <= 10
    report, printed = check(project, expect=1)
    assert [f["rule"] for f in report["findings"]] == ["no-sunday"], printed
    for old, new, said in (
        ("\"Write schedule='0 4 * * 1-6'\"", '""', "has no cure"),
        ('    "No DAG runs on a Sunday."\n', "", "has no meaning"),
        ('broken=DAG % "0 4 * * 0", ', "", "has no example"),
        ('"dag",', '"dags",', "scope"),
        ('"no-sunday"', '"tags"', "two rules tags"),
        ('"0 4 * * 0"', '"0 4 * * 1"', "says nothing of its broken example"),
        ('fixed=DAG % "0 4 * * 1-6"', 'fixed=DAG % "0 5 * * 0"', "still finds"),
        ("yield f", "yield no_such_name, f", "NameError"),
        ("from dag_integrity import", "from tools.dag_integrity import", "write from dag_integrity import rule"),
    ):
        assert old in OWN_RULE
        rules.write_text(OWN_RULE.replace(old, new))
        printed = run([".venv/bin/python", "-m", "dag_integrity"], cwd=project, expect=2)
        assert said in printed
        assert "Traceback" not in printed


OWN_FOLDER_RULE = """
from dag_integrity import problem, rule
DAG = "from airflow.sdk import DAG\\ndag = DAG('%s', schedule=None)"
@rule("no-test-dag", "folder", "Give it another dag_id", broken=DAG % "test", fixed=DAG % "orders")
def no_test_dag(folder):
    "No DAG is called test."
    for dag in folder.facts:
        if dag["dag_id"] == "test":
            yield problem("A DAG is called test", dag["line"], file=dag["file"])
"""


def test_a_rule_of_ones_own_about_the_folder(installed, tmp_path):
    project, dags = project_with(installed, tmp_path, 'owners = ["data-team"]\nown-rules = "tests/dag_rules.py"\n')
    good = (EXAMPLES / "good" / "good_schedule.py").read_text()
    (dags / "test.py").write_text(good.replace("good_schedule", "test"))
    (project / "tests" / "dag_rules.py").write_text(OWN_FOLDER_RULE)
    report, printed = check(project, expect=1)
    assert [f["rule"] for f in report["findings"]] == ["no-test-dag"], printed


def test_imports_that_the_image_lacks(installed, libraries, tmp_path):
    project, dags = project_with(installed, tmp_path, 'owners = ["data-team"]\nstock-image = true\n')
    good = (EXAMPLES / "good" / "good_heavy_import.py").read_text()
    (dags / "good_heavy_import.py").write_text(good.replace("import pandas as pd", "import psycopg2 as pd"))
    # With a version of its own in the image: whether there is one is not known.
    numbers = good.replace("import pandas as pd", "import numpy as pd").replace("good_heavy_import", "with_numbers")
    (dags / "with_numbers.py").write_text(numbers)
    # The checks with another list of what the image has, before the installed ones.
    checks = tmp_path / "checks"
    shutil.copytree(TEMPLATE / "src" / "dag_integrity", checks / "dag_integrity")
    (checks / "dag_integrity" / "stock_image.txt").write_text("# a list\napache-airflow\npendulum\nnumpy ?\n")
    libraries = f"{libraries}:{checks}"
    report, _ = check(project, PYTHONPATH=libraries)
    assert [f["rule"] for f in report["findings"]] == ["image-import"]
    assert "psycopg2-binary" in report["findings"][0]["text"]
    (project / "requirements-image.lock").write_text("psycopg2_binary==2.9.13 \\\n    --hash=sha256:0\n")
    check(project, expect=0, PYTHONPATH=libraries)


def test_a_newer_standard_library_than_that_of_the_checks(installed, tmp_path):
    """It is said to be so; in a Python that has it (one that a start-up file makes so) nothing is found."""
    python = installed() / ".venv" / "bin" / "python"
    minor = run([python, "-c", "import sys; print(sys.version_info.minor)"], cwd=tmp_path).strip()
    newer = f"3.{int(minor) + 1}"
    project, dags = project_with(installed, tmp_path, f'owners = ["data-team"]\npython = "{newer}"\n')
    good = (EXAMPLES / "good" / "good_retries.py").read_text()
    (dags / "good_retries.py").write_text(
        good.replace("import pendulum", "import pendulum\nfrom itertools import newer")
    )
    report, _ = check(project, expect=1)
    (finding,) = report["findings"]
    assert (finding["rule"], finding["write"]) == ("import-error", f"Run the checks with Python {newer}")
    (tmp_path / "newer").mkdir()
    (tmp_path / "newer" / "sitecustomize.py").write_text("import itertools\n\nitertools.newer = itertools.chain\n")
    check(project, expect=0, PYTHONPATH=str(tmp_path / "newer"))


def test_what_a_broken_file_may_have_is_not_missing(installed, tmp_path):
    """One cause, one line: a DAG that cannot be imported is not also a DAG that is not there."""
    project, dags = project_with(installed, tmp_path, None)
    shutil.copy(EXAMPLES / "broken" / "import_error_name.py", dags)
    trigger = (EXAMPLES / "broken" / "unknown_dag_trigger.py").read_text()
    (dags / "unknown_dag_trigger.py").write_text(trigger.replace('"no_such_dag"', '"import_error_name"'))
    shutil.copy(EXAMPLES / "broken" / "asset_nobody.py", dags)
    assert [f["rule"] for f in check(project, expect=1)[0]["findings"]] == ["asset", "import-error"]
    # Names that are computed there.
    broken = (dags / "import_error_name.py").read_text()
    (dags / "import_error_name.py").write_text(f"{broken}\nfor shop in ():\n    Asset(f'raw_{{shop}}')\n")
    assert [f["rule"] for f in check(project, expect=1)[0]["findings"]] == ["import-error"]
    (dags / "asset_nobody.py").unlink()
    # The fault of a module that it imports, which is where it is said.
    (dags / ".airflowignore").write_text("helpers.py\n")
    (dags / "helpers.py").write_text("LIMIT = = 1\n")
    dag = (EXAMPLES / "good" / "good_retries.py").read_text()
    dag = dag.replace("good_retries", "import_error_name").replace("import pendulum", "import helpers\nimport pendulum")
    (dags / "import_error_name.py").write_text(dag)
    report, _ = check(project, expect=1)
    assert [(f["file"], f["line"], f["rule"]) for f in report["findings"]] == [("dags/helpers.py", 1, "import-error")]


def test_a_link_into_itself_is_a_finding(installed, tmp_path):
    project, dags = project_with(installed, tmp_path, None)
    shutil.copy(EXAMPLES / "good" / "good_clock.py", dags)
    (dags / "circle").symlink_to(dags)
    report, printed = check(project, expect=1)
    assert [(f["file"], f["rule"]) for f in report["findings"]] == [("dags/circle", "hidden-dag")]
    assert "Traceback" not in printed


def test_files_are_listed_as_airflow_lists_them(checked):
    """Airflow's own importers give the same files as the quick listing that does without importing Airflow."""
    project, _, _ = checked
    listing = """
import sys
from pathlib import Path
from airflow.dag_processing.importers import get_importer_registry
sys.path.insert(0, ".")
from dag_integrity.discovery import list_folder
dags = Path("dags").resolve()
airflow = sorted(file for file in get_importer_registry().list_dag_files(dags) if file.endswith(".py"))
assert airflow == [str(path) for path in list_folder(dags).dag_files], airflow
assert len(airflow) > 100
"""
    run([".venv/bin/python", "-c", listing], cwd=project, AIRFLOW_HOME=str(project / ".airflow"))


OTHER_WAY_ROUND = """
import itertools
from dag_integrity.sandbox.perturb import perturbed
for numbers in itertools.permutations((2, 7, 15, 23, 31)):  # most of them in one place of the table
    for gone in numbers:
        left = dict.fromkeys(numbers).keys() - {gone}
        for value in (left, frozenset(left)):
            assert list(perturbed(value)) == list(value)[::-1], value
changed = perturbed({1, 2, 3})
changed.add(4)
assert set(changed) == {1, 2, 3, 4} and len(list(changed)) == 4
"""


def test_every_set_iterates_the_other_way_round(bake):
    """Also one whose copy has another order than itself: or whether a DAG is unstable were found by luck."""
    run([sys.executable, "-B", "-c", OTHER_WAY_ROUND], cwd=bake())


OTHER_NUMBERS = """
import random, secrets
from pathlib import Path
from dag_integrity.sandbox.perturb import perturb, set_numbers

def numbers(*seed):
    set_numbers()
    if seed:
        random.seed(*seed)
    choose = [random.randrange, lambda n: random.choice(range(n)), lambda n: random.sample(range(n), n)]
    choose += [lambda n: random.random(), lambda n: random.uniform(1, 2), lambda n: random.choices("ab")]
    choose += [random.getrandbits, random.randbytes, lambda n: random.shuffle(row := list(range(n))) or row]
    choose += [secrets.randbelow, lambda n: secrets.choice(range(n))] if not seed else []
    choose += [lambda n: random.Random(*seed).randrange(n)]
    choose += [lambda n: random.SystemRandom().randrange(n)] if not seed else []
    return [draw(n) for draw in choose for n in range(2, 40)]

usual, own = numbers(), numbers(7)
perturb(Path("dags").resolve())
assert numbers() == numbers()
assert [one for one, other in zip(usual, numbers()) if one == other] == []
assert own == numbers(7)
"""


def test_every_random_number_is_another_one_but_with_a_seed(bake):
    run([sys.executable, "-B", "-c", OTHER_NUMBERS], cwd=bake())


STEADY_DAG = """
from datetime import datetime, timedelta
import json
from airflow.sdk import DAG, Asset, Param, task
from airflow.providers.standard.operators.bash import BashOperator

ARGUMENTS = dict(start_date=datetime(2026, 1, 1), tags=["a"])

def named(shop: str | None) -> str:
    return f"load_{shop}"

with DAG("a", schedule=timedelta(hours=1), params={"n": Param(1, type="integer")}, **ARGUMENTS):
    @task(outlets=[Asset("x")])
    def rows(part):
        return [json.dumps({part, "set"}), datetime.now()]
    for shop in ("north", "south", *sorted({"west", "east"})):
        BashOperator(task_id=named(shop), bash_command="true") >> rows.override(task_id=shop)(1)
"""
# What in a file keeps it from being proven: in front of it, or in place of one of its texts.
UNSTEADY = [
    ('("north", "south", *sorted({"west", "east"}))', text)
    for text in (
        '{"north", "south"}',
        '{shop for shop in "ab"}',
        '{"a": 1}.keys() - {}',
        '{"a": 1}.keys() | []',
        "globals()",
        "vars()",
        'open("x")',
        '__import__("os").listdir()',
        'json.loads("[]")',
        "sorted({'a', 'b'}, key=len)",
        "list({'a', 'b'})",
        "id",
        "hash",
        "ARGUMENTS.copy()",
        "[f'{DAG:.9}']",
        "f'{DAG}'[5]",
        "[datetime.now().hour]",
        "[datetime.now]",
        "rows.function",
        "(lambda: 1)()",
        "eval",
        "unknown",
        "named.__globals__",
        "[str(DAG)]",
        "str.__subclasses__()",
        "min(1, 2)",
    )
] + [
    ("ARGUMENTS =", f"{text}\nARGUMENTS =")
    for text in (
        "DAG = named",
        "def sorted(x): return list(x)\nsorted({'a', 'b'})",
        "from helper import reverse as sorted\nsorted({'a', 'b'})",
        "from helper import *",
        "from .helper import DAG",
        "import uuid; uuid.uuid4()",
        "class A: pass",
        "from os import getpid as task",
        "from random import random\nrandom()",
        "DAG.owner = 1",
        "while id(1): pass",
        "def task(f): return f()",
        "try:\n    1\nfinally:\n    2",
        "@named\ndef g(): return {1}",
        "exec('1')",
        "def g(x: (y := {1})): pass",
        "def g(x: id(1)): pass",
        "def g():\n    import json",
        "del json",
        "x = lambda: 1",
        "for DAG in []: pass",
        "def g(id): pass\nid()",
        "if 1 < 2: pass",
        "async def g(): pass",
        "global x",
        "@task\ndef g(eval): pass\neval('1')",
        "x: int = 1",
        "def __getattr__(name): return {1}",
        "x = [*'ab'][1:]",
    )
]
IS_STEADY = """
import json, sys
from pathlib import Path
from dag_integrity.config import Policy
from dag_integrity.source import Source
from dag_integrity.determinism import is_deterministic
path = Path("dags/deterministic.py").resolve()
for text in json.loads(sys.argv[1]):
    path.write_text(text)
    source = Source(path, Path().resolve(), Policy())
    assert not source.error, text
    print(is_deterministic(source))
"""


def test_only_files_that_cannot_differ_are_parsed_once(bake_fresh):
    """Anything that might make two parses differ, and anything that is not known, costs the second parse."""
    assert all(old in STEADY_DAG for old, _ in UNSTEADY)
    texts = [STEADY_DAG, *(STEADY_DAG.replace(old, new) for old, new in UNSTEADY)]
    printed = run([sys.executable, "-B", "-c", IS_STEADY, json.dumps(texts)], cwd=bake_fresh()).split()
    wrong = [new for (_, new), steady in zip(UNSTEADY, printed[1:], strict=True) if steady != "False"]
    assert (printed[0], wrong) == ("True", [])


def test_table(installed):
    """`make dags` shows each DAG with its file, schedule, tasks, parse time and findings."""
    printed = run(["make", "dags"], cwd=installed())
    header, extract, transform, *_ = printed.splitlines()
    assert header.split() == ["DAG", "FILE", "SCHEDULE", "TASKS", "PARSE", "MS", "FINDINGS"]
    assert re.match(r"extract +dags/extract.py +0 0 \* \* \* \(partitions\) +\d+ +\d+ +0$", extract)
    assert re.match(r"transform +dags/transform.py +asset earthquakes_raw \(partitions\) +\d+ +\d+ +0$", transform)


def test_nothing_checked_is_no_success(installed, tmp_path):
    """A DAG whose module does not import is not there: the finding is of the module, and was left out."""
    source, project = installed(), tmp_path / "project"
    shutil.copytree(source, project, ignore=shutil.ignore_patterns(".venv", ".git", ".airflow"))
    (project / ".venv").symlink_to(source / ".venv")
    command = [".venv/bin/python", "-m", "dag_integrity"]
    assert "There is no DAG nope" in run([*command, "--dag", "nope"], cwd=project, expect=2)
    assert "no file was named" in run([*command, "--static"], cwd=project, expect=2)
    assert "dags" in run([*command, "--static", "dags"], cwd=project, expect=2)
    assert "none.py" in run([*command, "--static", "none.py"], cwd=project, expect=2)
    with (project / "dags/my_etl/earthquakes/source.py").open("a", encoding="utf-8") as module:
        module.write("import no_such_module\n")
    printed = run([*command, "--dag", "extract"], cwd=project, expect=1)
    assert "dags/my_etl/earthquakes/source.py" in printed
    assert "import-error" in printed
