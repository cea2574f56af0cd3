"""The generated Makefile: also where make is as old as macOS's, and what make fix does."""

import os
import sys

import pytest

from etl_tools import make_variables
from tests.conftest import make_command, run
from tests.etl_tools.in_process import etl

# GNU make 3.81 does not know .SHELLFLAGS: its shell goes on after a command that failed.
OLD = ".SHELLFLAGS=-c"


@pytest.mark.parametrize("make", [[], [OLD]], ids=["new", "old"])
@pytest.mark.parametrize(
    ("target", "words"), [("image", "nothing to build"), ("diff", "Nothing would change")], ids=["image", "diff"]
)
def test_a_command_that_fails_ends_its_recipe(bake, target, words, make):
    """Not in "nothing to do", which is what an empty answer would mean."""
    no_cluster = {"KUBECONFIG": "/dev/null", "KUBECTL": "false", "HELM": "false"}
    command = [*make_command(), *make, target, "ETL=false"]
    assert words not in run(command, cwd=bake(), expect=2, PYTHONDONTWRITEBYTECODE="1", **no_cluster)


@pytest.mark.parametrize("make", [[], [OLD]], ids=["new", "old"])
def test_what_cannot_look_is_no_success(bake, tmp_path, make):
    """A diff that fails, and checks that cannot run."""
    (tmp_path / "diff").write_text("#!/bin/sh\nexit 2\n")
    (tmp_path / "diff").chmod(0o755)
    project, command = bake(), [*make_command(), *make]
    run([*command, "diff", "ETL=true"], cwd=project, expect=2, PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert "install Apache Airflow" in run([*command, "dags"], cwd=project, expect=2)


def test_fix_corrects_what_lint_finds_and_a_forgotten_breakpoint_is_yours(bake_fresh):
    project = bake_fresh()
    file = project / "tests" / "test_own.py"
    file.write_text('"""Own."""\nimport sys\nimport os\n\ndef test_it( ):\n    assert os.sep\n')
    assert "I001" in run([*make_command(), "lint"], cwd=project, expect=2)
    assert "All checks passed" in run([*make_command(), "fix"], cwd=project)
    assert file.read_text() == '"""Own."""\n\nimport os\n\n\ndef test_it():\n    assert os.sep\n'
    file.write_text(file.read_text().replace("assert os.sep", "breakpoint()"))
    for target in ("lint", "fix"):
        assert "T100" in run([*make_command(), target], cwd=project, expect=2)


@pytest.mark.parametrize(
    ("words", "called"),
    [
        (["backfill"], "run --dag extract --from 2018-02-01 --to 2018-02-28"),
        (["backfill", "DAG=orders"], "run --dag orders --from 2018-02-01 --to 2018-02-28"),
        (["rebuild"], "run --dag transform --from 2018-02-01 --to 2018-02-28 --rebuild"),
        (["backfill", "DAG=orders", "CLUSTER=yes"], "backfill"),
        (["rebuild", "CLUSTER=yes"], "rebuild"),
    ],
)
def test_old_days_are_loaded_here_or_on_the_cluster(bake, words, called):
    days = ["FROM=2018-02-01", "TO=2018-02-28"]
    printed = run([*make_command(), "--silent", "ETL=echo called", *words, *days], cwd=bake())
    assert printed.split("called ")[1].split() == called.split()


@pytest.mark.parametrize("days", [[], ["FROM=2018-02-01"], ["TO=2018-02-01"]])
@pytest.mark.parametrize("target", ["backfill", "rebuild"])
def test_old_days_without_a_day_are_one_plain_line(bake, target, days):
    command = [*make_command()[:3], f"ETL={sys.executable} -m etl_tools.cli", target, *days]
    said = "make run: which days? Say the first and the last one: FROM=2018-02-01 TO=2018-02-28"
    first, *others = run(command, cwd=bake(), expect=2).splitlines()
    assert first == said
    assert all(line.startswith("make") for line in others)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "DTAE=2018-02-01"], "make run: there is no DTAE= here, only DATE, FROM, TO, DAG, DEBUG, ACCEPT"),
        (["run", "NAME=orders"], "make run: there is no NAME= here, only DATE"),
        (["run", "ETL_SORCE=usgs"], "make run: there is no ETL_SORCE= here, did you mean ETL_SOURCE?"),
        (["new-dag", "name=orders"], "make new-dag: there is no name= here, only NAME, KIND, PERIOD, ASSETS, ASSET."),
        (["look", "DAG=orders"], "make look: there is no DAG= here, only DATASET, OPEN."),
        (["ui", "PORT=9090"], "make ui: there is no PORT= here, only OPEN."),
    ],
)
def test_a_variable_that_nobody_reads_is_named(bake, words, said):
    """Make would go on without it, with other days than those that were meant."""
    command = [*make_command(), f"ETL={sys.executable} -m etl_tools.cli", *words]
    assert said in run(command, cwd=bake(), expect=2)


@pytest.mark.parametrize("words", [["DAG=none", "ETL_SOURCE=usgs"], ["DATE=2018-02-01 DTAE=x"], ["UV_CACHE_DIR=x"]])
def test_variables_that_somebody_reads_are_taken(bake, words):
    flags = " -- " + " ".join(word.replace(" ", "\\ ") for word in words)
    assert make_variables.wrong("run", bake(), bake() / "dags", flags) == ""


@pytest.mark.parametrize(("level", "expect", "said"), [("1", 2, "there is no VERSION= here"), ("2", 1, "is a word of")])
def test_another_make_may_have_variables_of_its_own(bake, level, expect, said):
    given = {"MAKEFLAGS": "s -- VERSION=3", "MAKELEVEL": level}
    assert said in etl(bake(), "new-dag", "class", expect=expect, **given)
