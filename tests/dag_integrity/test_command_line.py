"""The command line has ruff's habits: which rules, which form, which exit code, what a rule demands.

In this process: `--static` needs no Airflow.
"""

import json
import re

import jsonschema
import pytest

from dag_integrity import RULES
from dag_integrity import report as forms
from dag_integrity.cli import main
from dag_integrity.model import Finding, Report
from dag_integrity.rules.files import SECRET_VALUE
from scripts import rules as pages

BAD = """from airflow.sdk import DAG, Variable
import pandas

LIMIT = Variable.get("limit")
SIZE = Variable.get("size")
with DAG("bad"):
    pass
"""
CLOCK = "import datetime\nfrom airflow.sdk import DAG\n\nNOW = datetime.datetime.now()\nDAG('clock')\n"
REGION = {"required": ["startLine"], "properties": {"startLine": {"type": "integer", "minimum": 1}}}
ARTIFACT = {"required": ["uri"], "properties": {"uri": {"type": "string", "pattern": "^[^/]"}}}
PLACE = {
    "required": ["artifactLocation", "region"],
    "properties": {"artifactLocation": ARTIFACT, "region": REGION},
}
LOCATION = {"required": ["physicalLocation"], "properties": {"physicalLocation": PLACE}}
RESULT = {
    "required": ["ruleId", "ruleIndex", "level", "message", "locations"],
    "properties": {
        "level": {"enum": ["none", "note", "warning", "error"]},
        "message": {"required": ["text"]},
        "locations": {"minItems": 1, "items": LOCATION},
    },
}
RUN = {
    "required": ["tool", "results"],
    "properties": {
        "tool": {"required": ["driver"], "properties": {"driver": {"required": ["name", "rules"]}}},
        "results": {"type": "array", "items": RESULT},
    },
}
# What the standard asks of a log; written from its text.
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {"version": {"const": "2.1.0"}, "runs": {"type": "array", "items": RUN}},
}


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A folder in a git repository, with two DAG files; the working directory is that folder."""
    (tmp_path / ".git").mkdir()
    dags = tmp_path / "etl" / "dags"
    dags.mkdir(parents=True)
    (dags / "bad.py").write_text(BAD)
    (dags / "clock.py").write_text(CLOCK)
    monkeypatch.chdir(tmp_path / "etl")
    for name in ("GITHUB_ACTIONS", "GITHUB_WORKSPACE", "CI_PROJECT_DIR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def checked(capsys):
    """Return a function: options → (exit code, what was printed)."""

    def run(*options, files=("dags/bad.py", "dags/clock.py")):
        code = main([*options, "--static", *files])
        return code, capsys.readouterr().out

    return run


def rules_in(printed):
    return set(re.findall(r"^\S+:\d+: ([\w-]+): ", printed, re.MULTILINE))


def test_select_and_ignore(repository, checked, capsys):
    assert rules_in(checked()[1]) == {"forbidden-at-import", "heavy-import", "clock-at-import"}
    assert rules_in(checked("--select", "heavy-import,clock-at-import")[1]) == {"heavy-import", "clock-at-import"}
    assert rules_in(checked("--ignore", "heavy-import, clock-at-import")[1]) == {"forbidden-at-import"}
    assert checked("--ignore", "heavy-import,clock-at-import,forbidden-at-import") == (0, "")
    assert main(["--static", "dags/bad.py", "--select", "hevy-import"]) == 2
    assert capsys.readouterr().err == "--select: there is no rule hevy-import; --rules lists them.\n"


def test_a_file_that_was_not_read_is_reported_whatever_is_selected(repository, checked):
    (repository / "etl/dags/bad.py").write_text("import airflow\ndag(\n")
    code, printed = checked("--select", "owner")
    assert (code, rules_in(printed)) == (1, {"import-error"})


def test_exit_codes_are_those_of_ruff(repository, checked, monkeypatch, capsys):
    assert checked()[0] == 1
    code, printed = checked("--exit-zero")
    assert (code, bool(printed)) == (0, True)
    assert main(["--static", "dags/nowhere.py", "--exit-zero"]) == 2
    with pytest.raises(SystemExit) as ended:
        main(["--nothing"])
    assert ended.value.code == 2
    # What fails by our own fault is no finding, nor none.
    monkeypatch.setattr("dag_integrity.cli.check_files", None)
    assert main(["--static", "dags/bad.py"]) == 2
    assert capsys.readouterr().err.endswith("The checks have failed themselves: report it with these lines.\n")


def test_text_counts_the_repeats_of_a_cause(repository, checked):
    wrong = "The file reads an Airflow Variable when it is parsed (and 1 more: line 5). "
    assert f"dags/bad.py:4: forbidden-at-import: {wrong}" in checked()[1]
    assert checked("--all")[1].count(": forbidden-at-import: ") == 2


def test_paths_are_right_wherever_the_repository_is(repository, checked, capsys, monkeypatch):
    """Text: from here; for a code host from the top of git, or of what the CI calls the workspace."""
    monkeypatch.chdir(repository)
    files = ("etl/dags/clock.py",)
    assert checked("--root", "etl", files=files)[1].startswith("etl/dags/clock.py:4: ")
    monkeypatch.chdir(repository / "etl")
    assert checked("--format", "github", files=["dags/clock.py"])[1].startswith(
        "::error file=etl/dags/clock.py,line=4,"
    )
    quality = json.loads(checked("--format", "gitlab", files=["dags/clock.py"])[1])
    assert [entry["location"]["path"] for entry in quality] == ["etl/dags/clock.py"]
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(repository / "etl"))
    annotation, line = checked(files=["dags/clock.py"])[1].splitlines()
    assert annotation.startswith("::error file=dags/clock.py,line=4,title=clock-at-import::datetime.datetime.now() is")
    assert line.startswith("dags/clock.py:4: clock-at-import: ")


def test_what_github_takes_for_its_own_signs_is_escaped():
    one = Finding("dags/a,b:c.py", 3, "heavy-import", "100 % of it", "Move it")
    assert forms.github(one) == ("::warning file=dags/a%2Cb%3Ac.py,line=3,title=heavy-import::100 %25 of it. Move it.")


def test_sarif(repository, checked):
    code, printed = checked("--format", "sarif")
    log = json.loads(printed)
    jsonschema.validate(log, SARIF)
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert code == 1
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])
    places = [result["locations"][0]["physicalLocation"] for result in run["results"]]
    assert {place["artifactLocation"]["uri"] for place in places} == {"etl/dags/bad.py", "etl/dags/clock.py"}
    assert len({json.dumps(result["partialFingerprints"]) for result in run["results"]}) == len(run["results"])


def test_json_is_the_same_on_the_screen_and_in_a_file(repository, checked):
    printed = checked("--format", "json", "--json", "report.json")[1]
    assert json.loads(printed) == json.loads((repository / "etl/report.json").read_text())
    assert {finding["severity"] for finding in json.loads(printed)["findings"]} == {"error", "warning"}


def many(files, rule="retries"):
    return [Finding(f"dags/a{number}.py", 1, rule, f"Wrong {number}", "Write it right") for number in range(files)]


def test_the_first_screen_has_the_worst_first_and_counts_the_rest():
    findings = [*many(200), *many(3, "import-error"), *many(40, "template")]
    not_parsed = tuple(f"dags/a{number}.py" for number in range(20))
    printed = forms.text(Report(sorted(findings), [], ["dags/a.py"], not_parsed), "", "the last line").splitlines()
    assert len(printed) <= 30
    assert [line.split(": ")[1] for line in printed[:5]] == ["import-error"] * 3 + ["template"] * 2
    shown = sum(line.startswith("dags/") for line in printed)
    (rest,) = [line for line in printed if line.startswith("… and ")]
    assert rest.startswith(f"… and {243 - shown} more findings (retries 200, template ")
    assert "--all" in rest
    assert printed[-2:] == ["not parsed: 17 more files", "the last line"]
    assert len(forms.all_text(Report(findings, [], []), "", "").splitlines()) == 243


def test_the_same_wrong_thing_in_many_files_is_one_line():
    findings = [Finding(f"dags/{name}.py", 2, "import-error", "No module named 'x'", "Add x") for name in "abc"]
    assert forms.text(Report(findings, [], []), "etl/", "") == (
        "etl/dags/a.py:2: import-error: No module named 'x' (and in 2 more files). Add x."
    )


def test_a_rule_is_explained(repository, capsys):
    assert main(["--explain", "heavy-import"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("## heavy-import\n\nNo heavy module is imported when the file is parsed.\n")
    assert re.search(r"```diff\n(?s:.*)^-import \w+(?s:.*)```", printed, re.MULTILINE)
    assert main(["--explain", "hevy-import"]) == 2
    assert "Did you mean heavy-import" in capsys.readouterr().err


def test_version(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert re.fullmatch(r"dag-integrity \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_the_pages_of_the_rules_are_fresh():
    assert pages.PACKAGED.read_text() == pages.packaged(), "make rules"
    assert pages.PAGES.read_text() == pages.pages(), "make rules"


def test_no_page_looks_like_it_holds_a_key():
    """The scanner of a project reads the wheel, too."""
    assert not SECRET_VALUE.search(pages.packaged() + pages.pages())


def test_every_rule_has_a_page_with_an_example():
    text = pages.pages()
    without = [name for name in RULES if "```diff" not in text.split(f"\n## {name}\n")[1].split("\n## ")[0]]
    # Its example is a list of the image's packages; what fails by itself has none.
    assert set(without) <= {"image-import", "hidden-dag", "not-checked"}, without
