"""The command line itself: its words, its help and its exit codes; what a command does is tested with the command."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from etl_tools import VERSION, cli
from tests.conftest import PROJECT_FOLDER


def exit_code(*words):
    """Return the code that argparse ends with."""
    with pytest.raises(SystemExit) as ended:
        cli.main([*words])
    return ended.value.code


@pytest.fixture
def called(monkeypatch):
    """Let `keys` call a function of the test's, in place of its own."""

    def with_function(function):
        monkeypatch.setattr(cli.Command, "load", lambda command: function)
        return cli.main(["keys"])

    return with_function


def test_help_names_every_command_and_the_exit_codes(capsys):
    assert exit_code("--help") == 0
    printed = capsys.readouterr().out
    for name in cli.COMMANDS:
        assert re.search(rf"^    {name}\s", printed, re.MULTILINE), name
    assert cli.EXIT_CODES in printed


def test_without_a_word_it_is_the_help(capsys):
    assert exit_code() == 0
    assert "usage: airflow-etl" in capsys.readouterr().out


def test_the_version_is_the_package_s(capsys):
    assert exit_code("--version") == 0
    assert capsys.readouterr().out == f"airflow-etl-tools {VERSION}\n"


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_help_of_a_command_needs_no_project_and_shows_an_example(name, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert exit_code(name, "--help") == 0
    printed = capsys.readouterr().out
    assert cli.COMMANDS[name].example in printed
    assert cli.EXIT_CODES in printed


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_example_is_one_that_the_parser_takes(name):
    words = cli.COMMANDS[name].example.partition("airflow-etl ")[2].partition(" | ")[0].split()
    assert cli.parser_for(words[0]).parse_args(words).command == name


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["nope"], "invalid choice: 'nope'"),
        (["run", "--day", "2018-02-01"], "unrecognized arguments: --day"),
        (["rotate", "a", "b"], "unrecognized arguments: b"),
        (["keys", "all"], "unrecognized arguments: all"),
        (["scan"], "one of the arguments FILE --history is required"),
        (["scan", "--histroy"], "one of the arguments FILE --history is required"),
        (["scan", "--history", "x"], "not allowed with argument --history"),
        (["verify"], "the following arguments are required: PATH"),
        (["in-cluster", "ssh"], "invalid choice: 'ssh'"),
    ],
    ids=" ".join,
)
def test_wrong_words_are_two_and_nothing_is_imported(words, complaint, capsys, monkeypatch):
    monkeypatch.setattr(cli.Command, "load", lambda command: pytest.fail(f"{command} was imported"))
    assert exit_code(*words) == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    "problem", [ValueError("no such thing"), RuntimeError("no such thing"), OSError("no such thing")]
)
def test_a_failure_is_one_line_and_one(called, problem, capsys):
    def fails():
        raise problem

    assert called(fails) == 1
    assert capsys.readouterr().err == "make keys: no such thing\n"


def test_a_failure_names_what_was_called(monkeypatch, capsys):
    def fails(**_):
        raise ValueError("no such thing")

    monkeypatch.setattr(cli.Command, "load", lambda command: fails)
    cli.main(["manifests"])
    cli.main(["secrets", "--from-cluster"])
    said = ["airflow-etl manifests: no such thing", "make keys-from-cluster: no such thing"]
    assert capsys.readouterr().err.splitlines() == said


@pytest.mark.parametrize(
    ("stop", "status", "words"),
    [
        (KeyboardInterrupt(), 130, "make keys: stopped (Ctrl-C)"),
        (KeyboardInterrupt("half of it is done"), 130, "make keys: half of it is done"),
        (EOFError(), 1, "make keys: no answer (Ctrl-D), nothing was done"),
    ],
    ids=["Ctrl-C", "said", "Ctrl-D"],
)
def test_a_key_that_ends_it_is_one_line_and_a_code(called, stop, status, words, capsys):
    def ends():
        raise stop

    assert called(ends) == status
    assert capsys.readouterr().err.strip() == words


def test_the_environment_that_is_meant_is_named_with_a_make_command(called, capsys, monkeypatch):
    def fails():
        raise ValueError("there are no keys: make keys")

    monkeypatch.setenv("ENV", "staging")
    assert called(fails) == 1
    assert "Put ENV=staging before that, too." in capsys.readouterr().err


@pytest.mark.parametrize(("returned", "status"), [(None, 0), (0, 0), (1, 1), (2, 2)])
def test_what_the_function_returns_is_the_exit_code(called, returned, status):
    assert called(lambda: returned) == status


def test_help_imports_no_command():
    """So that it is there at once, and without a project."""
    script = "import sys; from etl_tools import cli\ntry: cli.main(['--help'])\nexcept SystemExit: pass\n"
    script += "print(*sorted(name for name in sys.modules if name.startswith('etl_tools')))"
    done = subprocess.run([sys.executable, "-c", script], cwd="/", capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "etl_tools etl_tools.cli etl_tools.project"


def parameters(function):
    """Return the names of a function's parameters; its module may import what is not installed here."""
    module, _, name = function.partition(":")
    place = Path(cli.__file__).parent.joinpath(*module.split("."))
    file = place.with_suffix(".py")
    tree = ast.parse((file if file.exists() else place / "__init__.py").read_text())
    (found,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    return {argument.arg for argument in found.args.args}


def test_every_command_is_a_function_that_takes_what_is_parsed():
    """And a line of the Makefile, of a hook or of a page calls it."""
    targets = (PROJECT_FOLDER / "Makefile").read_text() + (PROJECT_FOLDER / ".pre-commit-config.yaml").read_text()
    for name, command in cli.COMMANDS.items():
        words = command.example.partition("airflow-etl ")[2].partition(" | ")[0].split()
        parsed = vars(cli.parser_for(name).parse_args(words)).keys() - {"command"}
        assert parameters(command.function) == parsed, name
        # The others are lines of pages and of hooks.
        assert (f"\n{name}: " in targets) == (name not in cli.WITHOUT_TARGET), name
        called = f"$(ETL) {name}" in targets or f"$(ETL) $(call IN_DAYS,{name}," in targets
        assert called or name in cli.WITHOUT_TARGET, name


@pytest.mark.parametrize(
    "line",
    [
        "environment .venv/bin/jupyter lab --allow-root --no-browser notebooks/explore.ipynb",
        "in-cluster helm template CHART --is-upgrade --no-hooks",
        "in-cluster kubectl get pods --help",
    ],
)
def test_the_words_of_another_program_are_its_own(line):
    words = line.split()
    parsed = vars(cli.parser_for(words[0]).parse_args(words))
    assert [parsed["command"], *([parsed["tool"]] if "tool" in parsed else []), *parsed["words"]] == words
