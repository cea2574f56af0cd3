"""The README says what is so: every question with its default and choices, and a tree of files that come out."""

import re
import shutil

import pytest

from tests.conftest import PROJECT_FOLDER, QUESTIONS, TEMPLATE, run

README = (TEMPLATE / "README.md").read_text(encoding="utf-8")


def test_every_question_has_its_row():
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \| .* \|$", README, re.MULTILINE))
    asked = {name: default for name, default in QUESTIONS.items() if not name.startswith("_")}
    assert list(rows) == list(asked)
    for name, default in asked.items():
        if isinstance(default, list):
            assert rows[name] == " · ".join(f"`{choice}`" for choice in default)
        elif "<" not in default and name != "description":
            assert rows[name] == default


def test_the_tree_names_what_comes_out(bake):
    tree = README.split("```\nmy-etl/\n", 1)[1].split("```", 1)[0]
    folders, named = [], []
    for line in tree.splitlines():
        indent, name = re.match(r"^([│ ]*)[├└]── (\S+)", line).groups()
        folders = folders[: len(indent) // 4]
        named.append("/".join([*folders, name.rstrip("/")]))
        if name.endswith("/"):
            folders.append(name.rstrip("/"))
    assert len(named) > 10
    project = bake()
    assert [path for path in named if not (project / path).exists()] == []


def test_whoever_hosts_the_template_writes_its_address_once(tmp_path):
    for name in ("Makefile", "README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(TEMPLATE / name, tmp_path)
    run(["git", "init", "--quiet"], cwd=tmp_path)
    run(["git", "add", "--all"], cwd=tmp_path)
    assert "Say where" in run(["make", "host"], cwd=tmp_path, expect=2)
    address = "https://git.example.com/data/airflow-etl-template"
    run(["make", "host", f"ADDRESS={address}"], cwd=tmp_path)
    readme = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert f"\ncookiecutter {address}\n" in readme
    assert "gh:org/airflow-etl-template" not in readme


@pytest.mark.parametrize("folder", [TEMPLATE, PROJECT_FOLDER], ids=["template", "project"])
def test_a_python_that_does_not_fit_is_named_first(tmp_path, folder):
    """Before uv is looked for, and an environment is made that would stand in the way."""
    text = (folder / "Makefile").read_text(encoding="utf-8")
    (tmp_path / "Makefile").write_text(re.sub("<%.*?%>\n", "", text))
    (tmp_path / "requirements.lock").touch()
    old = tmp_path / "python3.9"
    old.write_text("#!/bin/sh\n[ $1 = --version ] && echo Python 3.9.18\n")
    old.chmod(0o755)
    for python, words in (("nope", "No nope: this"), (old, "Python 3.9.18: this")):
        command = ["make", ".venv/.installed", f"PYTHON={python}", "UV=.tools/bin/uv"]
        said = run(command, cwd=tmp_path, expect=2)
        assert words in said
        assert "needs Python 3.11 to 3.14. Name one: make" in said
    assert not (tmp_path / ".venv").exists()


def test_the_readme_is_short():
    """At most 900 words before the table of the questions."""
    assert len(README.split("| Question |")[0].split()) <= 900


def test_its_pictures_are_there_and_small():
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
    assert len(pictures) > 4
    for name in pictures:
        assert (TEMPLATE / name).stat().st_size < 300_000, name


def test_the_recording_shows_something_where_nothing_moves():
    """As many viewers do: what the frame at rest says is read from the drawing itself."""
    drawing = (TEMPLATE / "docs" / "ten-minutes.svg").read_text(encoding="utf-8")
    (place,) = re.findall(r'<g transform="translate\(-(\d+) 0\)" style="animation', drawing)
    (frame,) = re.findall(rf'<svg x="{place}">(.*?)</svg>', drawing)
    symbols = dict(re.findall(r'<symbol id="(\w+)">(.*?)</symbol>', drawing))
    lines = [symbols[name] for name in re.findall(r'href="#(\w+)"', frame)]
    said = [" ".join(re.findall(r">([^<>]+)</text>", line)) for line in lines]
    assert sum(map(bool, said)) > 10
    assert any("pd.read_parquet" in line for line in said)
    assert "prefers-reduced-motion:reduce" in drawing
