"""The command line `airflow-etl`: one subcommand for each target of a project's Makefile.

This module knows the words and the exit codes; what a command does is imported when it is called.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from etl_tools import VERSION
from etl_tools.project import advice

EXIT_CODES = """\
exit codes, of every command:
  0    done, and seen to be so
  1    something is wrong, and its line says what to do
  2    it cannot be run as it was called, or could not look at everything
  130  stopped by Ctrl-C"""
# What pages and hooks call, and no target of that name.
WITHOUT_TARGET = ("environment", "deploy-key", "manifests", "scan", "in-cluster", "verify")
AT_WORK = ". What was begun goes on in the cluster: make status"


def no_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the command takes what it needs from the environment."""


def run_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--date", help="one day, like 2018-02-01 (default: the days that the DAG offers)")
    parser.add_argument("--from", dest="first", metavar="DAY", help="the first of several days")
    parser.add_argument("--to", dest="last", metavar="DAY", help="the last of them")
    parser.add_argument("--dag", help="one DAG, after those before it that have not run")
    parser.add_argument("--rebuild", action="store_true", help="of what was fetched: run no DAG before it")
    parser.add_argument("--accept", action="store_true", help="publish days with few rows, too")
    parser.add_argument("--debug", action="store_true", help="log to the terminal, and leave it to breakpoint()")


def environment_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND", help="what to run; none: write .env")


def look_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("datasets", nargs="*", metavar="DATASET", help="which ones (default: all)")


def data_diff_arguments(parser: argparse.ArgumentParser) -> None:
    help_text = "the branch or commit to compare with (default: the one to merge into)"
    parser.add_argument("base", nargs="?", default="", metavar="BASE", help=help_text)


def new_dag_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", default="", metavar="NAME")
    parser.add_argument("--kind", default="source", help="source, files, sql, asset, plain or heavy (default: source)")
    parser.add_argument("--asset", default="", help="for --kind asset: what it is made of, one or several")
    parser.add_argument("--period", default="", help="hour, day, week or month (default: day, or the assets')")


def remove_example_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="with changes that git does not have, too")


def lock_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--upgrade", action="store_true", help="to newer versions, the image's where it has one")


def rehearse_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("version", nargs="?", default="", metavar="VERSION", help="as 3.4.0, or a beta as 3.4.0b2")
    parser.add_argument("--database", default="", metavar="URL", help="a restored backup: its migration is tried there")
    parser.add_argument("--python", type=Path, help="the Python of an environment that has that version already")


def scan_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("files", nargs="*", default=[], metavar="FILE", help="files about to be committed")
    what.add_argument("--history", action="store_true", help="every file and message of every commit")


def secrets_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from-cluster", action="store_true", help="write the cluster's into secrets/ instead")


def rotate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", default="", metavar="NAME", help="the key's file in secrets/, or git_token")


def doctor_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--offline", action="store_true", help="ask neither the git server nor the cluster")


def logs_sync_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--follow", action="store_true", help="keep going")


def in_cluster_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tool", choices=["kubectl", "helm"])
    parser.add_argument("words", nargs=argparse.REMAINDER, help="its words; CHART: release, chart and values")


def verify_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("place", metavar="PATH", help="a checkout of airflow-etl-template, or its archive")


class Command(NamedTuple):
    """A subcommand: the function behind it, what `--help` says, and which arguments that function gets."""

    function: str
    help: str
    example: str
    add_arguments: Callable[[argparse.ArgumentParser], None] = no_arguments

    def load(self) -> Callable[..., int | None]:
        """Import the function; its parameters are the parser's destinations (a test compares them)."""
        module, _, name = self.function.partition(":")
        function: Callable[..., int | None] = getattr(importlib.import_module(f"etl_tools.{module}"), name)
        return function


COMMANDS = {
    "run": Command(
        "local.run:main",
        "run the DAGs of datasets on their sample days",
        "airflow-etl run --dag orders --date 2018-02-01",
        run_arguments,
    ),
    "ui": Command("local.ui:main", "start Airflow with its UI", "OPEN=0 airflow-etl ui"),
    "environment": Command(
        "local.environment:main",
        "write .env, or run a command in that environment",
        "airflow-etl environment .venv/bin/jupyter lab",
        environment_arguments,
    ),
    "look": Command(
        "local.look:main", "write one HTML page about all datasets", "airflow-etl look orders", look_arguments
    ),
    "data-diff": Command(
        "local.data_diff:main",
        "say what this checkout changes in the data of sample days",
        "airflow-etl data-diff main",
        data_diff_arguments,
    ),
    "new-dag": Command(
        "local.new_dag:main",
        "write a DAG, its module, test and sample",
        "airflow-etl new-dag orders --kind sql",
        new_dag_arguments,
    ),
    "remove-example": Command(
        "local.remove_example:main",
        "remove the earthquakes",
        "airflow-etl remove-example --yes",
        remove_example_arguments,
    ),
    "add": Command("local.packages:add", "add packages, for laptops and pods", 'PKG="openpyxl duckdb" airflow-etl add'),
    "lock": Command(
        "local.packages:lock_again",
        "resolve pyproject.toml into the locks",
        "airflow-etl lock --upgrade",
        lock_arguments,
    ),
    "image": Command("local.packages:image", "print the pods' image that has to be built", "airflow-etl image"),
    "rehearse": Command(
        "local.rehearse:main",
        "try another Airflow version on the DAGs and a copy of the database",
        "airflow-etl rehearse 3.4.0",
        rehearse_arguments,
    ),
    "keys": Command("secrets.keys:main", "make the keys and passwords that are missing", "airflow-etl keys"),
    "deploy-key": Command(
        "secrets.deploy_key:main", "put secrets/deploy_key into the form that ssh reads", "airflow-etl deploy-key"
    ),
    "known-hosts": Command(
        "secrets.known_hosts:main", "ask the git server for its SSH keys, and save them", "airflow-etl known-hosts"
    ),
    "manifests": Command(
        "secrets.manifests:main",
        "print the Secrets, for kubeseal or sops",
        "airflow-etl manifests | kubeseal --format yaml",
    ),
    "scan": Command(
        "secrets.scan:main",
        "look for secrets in files or in every commit",
        "airflow-etl scan --history",
        scan_arguments,
    ),
    "secrets": Command(
        "cluster.apply_secrets:main", "put missing Secrets into the cluster", "airflow-etl secrets", secrets_arguments
    ),
    "rotate": Command(
        "cluster.rotate:rotate",
        "replace a key, here and in the cluster",
        "airflow-etl rotate jwt_secret",
        rotate_arguments,
    ),
    "doctor": Command(
        "cluster.doctor.report:main", "say why a DAG is not there", "airflow-etl doctor --offline", doctor_arguments
    ),
    "follow": Command(
        "cluster.follow:follow", "follow a push, hop by hop, until Airflow lists it", "airflow-etl follow"
    ),
    "images": Command("cluster.images:images", "list every image of the release", "airflow-etl images"),
    "deploy": Command(
        "cluster.deploy:deploy", "install Airflow on the cluster, or update it", "TIMEOUT=30 airflow-etl deploy"
    ),
    "rollback": Command(
        "cluster.deploy:rollback", "go back to the release before this one", "REVISION=3 airflow-etl rollback"
    ),
    "undeploy": Command(
        "cluster.deploy:undeploy", "remove Airflow, but no data and no Secrets", "airflow-etl undeploy"
    ),
    "backup": Command(
        "cluster.database:backup",
        "write Airflow's database into a file",
        "FILE=secrets/backups/today.dump airflow-etl backup",
    ),
    "restore": Command(
        "cluster.database:restore",
        "put such a file in its place",
        "FILE=secrets/backups/today.dump airflow-etl restore",
    ),
    "promote": Command(
        "cluster.environments:promote",
        "move an environment's branch to a tag",
        "ENV=production TAG=v2 airflow-etl promote",
    ),
    "bundle": Command("cluster.bundle:main", "print what the owner of an existing Airflow needs", "airflow-etl bundle"),
    "pod-dags": Command("cluster.pods:pod_dags", "show what the cluster has of the DAGs", "airflow-etl pod-dags"),
    "logs-sync": Command(
        "cluster.pods:logs_sync",
        "show the logs of fetching the repository",
        "airflow-etl logs-sync --follow",
        logs_sync_arguments,
    ),
    "trigger": Command("cluster.trigger:trigger", "start a run on the cluster", "DAG=extract airflow-etl trigger"),
    "backfill": Command(
        "cluster.backfill:backfill_days",
        "load old days on the cluster, with progress",
        "DAG=extract FROM=2018-02-01 TO=2018-02-28 airflow-etl backfill",
    ),
    "rebuild": Command(
        "cluster.backfill:rebuild_days",
        "make days on the cluster again of their raw rows",
        "DAG=transform FROM=2018-02-01 TO=2018-02-28 airflow-etl rebuild",
    ),
    "in-cluster": Command(
        "cluster.kubectl:run_in_cluster",
        "run kubectl or helm in the namespace and context that are meant",
        "airflow-etl in-cluster kubectl get pods",
        in_cluster_arguments,
    ),
    "verify": Command(
        "verify:main",
        "compare the installed files with a source tree",
        "airflow-etl verify ../airflow-etl-template",
        verify_arguments,
    ),
}


def parser_for(chosen: str) -> argparse.ArgumentParser:
    """Return the parser, with the arguments of the chosen command."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="airflow-etl",
        description="What the Makefile of a project calls; `make` lists the targets.",
        epilog=f"airflow-etl COMMAND --help shows its arguments and an example.\n\n{EXIT_CODES}",
        formatter_class=form,
    )
    parser.add_argument("--version", action="version", version=f"airflow-etl-tools {VERSION}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        epilog = f"example:\n  {command.example}\n\n{EXIT_CODES}"
        text = f"{command.help[0].upper()}{command.help[1:]}."
        one = commands.add_parser(name, help=command.help, description=text, epilog=epilog, formatter_class=form)
        if name == chosen:
            command.add_arguments(one)
    return parser


def misspelt(name: str, command: Command) -> str:
    """What is wrong with the variables that make was given for a command of this machine."""
    flags = os.environ.get("MAKEFLAGS", "")
    by_another_make = os.environ.get("MAKELEVEL") != "1"  # whose variables may be its own
    if "=" not in flags or by_another_make or not command.function.startswith("local.") or name in WITHOUT_TARGET:
        return ""
    from etl_tools import answers, make_variables

    return make_variables.wrong(name, answers.ROOT, answers.ROOT / answers.DAGS_SUBPATH, flags)


def call(name: str, arguments: dict[str, object]) -> int:
    """Do what a command is for and return its exit code; a failure is one line, with the target's name."""
    command = COMMANDS[name]
    target = "make keys-from-cluster" if arguments.get("from_cluster") else f"make {name}"
    target = f"airflow-etl {name}" if name in WITHOUT_TARGET else target
    try:
        if problem := misspelt(name, command):
            print(f"{target}: {problem}", file=sys.stderr)
            return 2
        return command.load()(**arguments) or 0
    except (OSError, RuntimeError, ValueError) as problem:
        sys.stdout.flush()  # what was printed before comes before, in a log, too
        print(f"{target}: {advice(problem)}", file=sys.stderr)
        return 1
    except EOFError:
        print(f"\n{target}: no answer (Ctrl-D), nothing was done", file=sys.stderr)
        return 1
    except KeyboardInterrupt as stopped:
        what = str(stopped) or f"stopped (Ctrl-C){AT_WORK if command.function.startswith('cluster.') else ''}"
        print(f"\n{target}: {advice(what)}", file=sys.stderr)
        return 130


def main(words: list[str] | None = None) -> int:
    """Run the subcommand that the words name, those of the command line if none are given."""
    words = sys.argv[1:] if words is None else words
    arguments = vars(parser_for(words[0] if words else "").parse_args(words or ["--help"]))
    return call(arguments.pop("command"), arguments)


if __name__ == "__main__":
    sys.exit(main())
