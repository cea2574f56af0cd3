"""The command line `airflow-etl`: one subcommand for each target of a project's Makefile.

Exit codes, of every subcommand: 0 done and seen to be so; 1 something is wrong, and its line says what to do;
2 the command cannot be run as it was called; 130 stopped by Ctrl-C.
"""

import argparse
import runpy
import sys
from typing import NamedTuple

from etl_tools import VERSION


class Command(NamedTuple):
    """A subcommand: the module that does the work, the words it gets first, and what `--help` says."""

    module: str
    words: tuple[str, ...]
    meaning: str
    example: str = ""


_CLUSTER = "etl_tools.cluster"
_LOCAL = "etl_tools.local"
_SECRETS = "etl_tools.secrets"
COMMANDS = {
    "run": Command(
        f"{_LOCAL}.run", (), "run the DAGs of datasets on their sample days", "run --dag orders --date 2018-02-01"
    ),
    "ui": Command(f"{_LOCAL}.ui", (), "start Airflow with its UI"),
    "environment": Command(f"{_LOCAL}.environment", (), "write .env, or run a command in that environment"),
    "new-dag": Command(
        f"{_LOCAL}.new_dag", (), "write a DAG, its module, test and sample", "new-dag orders --kind sql"
    ),
    "remove-example": Command(f"{_LOCAL}.remove_example", (), "remove the earthquakes"),
    "add": Command(
        f"{_LOCAL}.packages", ("add",), "add packages, for laptops and pods", "PKG=openpyxl airflow-etl add"
    ),
    "lock": Command(f"{_LOCAL}.packages", ("lock",), "resolve pyproject.toml into the locks", "lock --upgrade"),
    "image": Command(f"{_LOCAL}.packages", ("image",), "print the pods' image that has to be built"),
    "keys": Command(f"{_SECRETS}.keys", (), "make the keys and passwords that are missing"),
    "deploy-key": Command(f"{_SECRETS}.deploy_key", (), "put secrets/deploy_key into the form that ssh reads"),
    "known-hosts": Command(f"{_SECRETS}.known_hosts", (), "ask the git server for its SSH keys, and save them"),
    "manifests": Command(f"{_SECRETS}.manifests", (), "print the Secrets, for kubeseal or sops"),
    "scan": Command(f"{_SECRETS}.scan", (), "look for secrets in files or in every commit", "scan --history"),
    "secrets": Command(f"{_CLUSTER}.apply_secrets", (), "put missing Secrets into the cluster"),
    "rotate": Command(f"{_CLUSTER}.rotate", (), "replace a key, here and in the cluster", "rotate jwt_secret"),
    "doctor": Command(f"{_CLUSTER}.doctor", (), "say why a DAG is not there", "doctor --offline"),
    "deploy": Command(f"{_CLUSTER}.deploy", ("deploy",), "install Airflow on the cluster, or update it"),
    "rollback": Command(f"{_CLUSTER}.deploy", ("rollback",), "go back to the release before this one"),
    "undeploy": Command(f"{_CLUSTER}.deploy", ("undeploy",), "remove Airflow, but no data and no Secrets"),
    "backup": Command(f"{_CLUSTER}.database", ("backup",), "write Airflow's database into a file"),
    "restore": Command(f"{_CLUSTER}.database", ("restore",), "put such a file in the place of the database"),
    "promote": Command(f"{_CLUSTER}.environments", (), "move an environment's branch to a tag"),
    "bundle": Command(f"{_CLUSTER}.bundle", (), "print what the owner of an existing Airflow needs"),
    "pod-dags": Command(f"{_CLUSTER}.pods", ("pod-dags",), "show what the cluster has of the DAGs"),
    "logs-sync": Command(f"{_CLUSTER}.pods", ("logs-sync",), "show the logs of fetching the repository"),
    "trigger": Command(f"{_CLUSTER}.trigger", (), "start a run on the cluster", "DAG=extract airflow-etl trigger"),
    "backfill": Command(f"{_CLUSTER}.backfill", ("backfill",), "load old days on the cluster, with progress"),
    "rebuild": Command(f"{_CLUSTER}.backfill", ("rebuild",), "make days on the cluster again of their raw rows"),
    "in-cluster": Command(f"{_CLUSTER}.kubectl", (), "run kubectl or helm there", "in-cluster kubectl get pods"),
    "verify": Command("etl_tools.verify", (), "compare the installed files with a source tree", "verify ../template"),
}


def usage() -> str:
    """Return the table of the subcommands, each with an example where it has words of its own."""
    width = max(map(len, COMMANDS))
    lines = [
        f"  {name:<{width}}  {it.meaning}" + (f" (`{it.example}`)" if it.example else "")
        for name, it in COMMANDS.items()
    ]
    return "\n".join(["commands:", *lines, "", *(__doc__ or "").splitlines()[2:]])


def main() -> int:
    """Run the subcommand that the command line names."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="airflow-etl", epilog=usage(), formatter_class=form)
    parser.add_argument("--version", action="version", version=f"airflow-etl-tools {VERSION}")
    parser.add_argument("command", choices=COMMANDS, metavar="command", help="see below")
    words = sys.argv[1:]
    chosen = parser.parse_args(words[:1] or ["--help"]).command
    command = COMMANDS[chosen]
    sys.argv = [f"airflow-etl {chosen}", *command.words, *words[1:]]
    runpy.run_module(command.module, run_name="__main__", alter_sys=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
