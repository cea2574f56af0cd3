"""Break the code in small ways and see whether a test notices: `make mutate` (ONLY=restore: those with that word).

Each mutation is tried in a copy of the repository, with the tests that are to notice it. What no test notices
survives, and is printed. So is a mutation whose text is gone: the table follows the code. Status 0: none survived.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

TEMPLATE = Path(__file__).resolve().parents[1]
PROJECT = "<<cookiecutter.project_slug>>"
DATASETS = f"{PROJECT}/<<cookiecutter.dags_subpath>>/<<cookiecutter.__package>>/datasets"
SCAN, SECRETS, CLUSTER = "src/etl_tools/secrets/scan.py", "src/etl_tools/secrets", "src/etl_tools/cluster"
# Nothing in these needs the network; tests of the library run in a project's own environment.
PRECOMMIT = "tests/template/ci/test_precommit.py"
SCANNED, DATABASE = "tests/etl_tools/secrets/test_scan.py", "tests/etl_tools/cluster/test_database.py"
ROTATED, KEYBOARD = "tests/etl_tools/secrets/test_secrets.py", "tests/etl_tools/cluster/test_keyboard.py"
LIBRARY = "tests/library/test_library.py"


class Mutation(NamedTuple):
    """A piece of a file, what it becomes, and the tests that are to fail then."""

    file: str
    text: str
    mutated: str
    tests: str
    chosen: str


MUTATIONS = [
    # The scanner
    Mutation(
        SCAN, '"rev-list", "--objects", "--all"', '"rev-list", "--objects", "HEAD"', SCANNED, "another_branch or tag"
    ),
    Mutation(SCAN, 'everything = ("--all",', "everything = (", PRECOMMIT, "another_branch"),
    Mutation(SCAN, '"GIT_GRAFT_FILE": os.devnull, ', "", SCANNED, "graft"),
    Mutation(SCAN, '"GIT_NO_REPLACE_OBJECTS": "1", ', "", PRECOMMIT, "replacement"),
    Mutation(SCAN, 'if kind != "tree":', 'if kind == "blob":', SCANNED, "messages"),
    Mutation(SCAN, "if listed.wait() or printed.wait():", "if False:", PRECOMMIT, "damaged"),
    Mutation(SCAN, 'header.endswith(b" missing\\n")', "False", SCANNED, "not_there"),
    Mutation(SCAN, '"--max-count=1"):', '"--max-count=1") and False:', SCANNED, "without_a_commit"),
    Mutation(SCAN, "if scanner.problem:", "if False:", SCANNED, "detect_secrets or accepted"),
    Mutation(SCAN, "signal.setitimer(", "print or (", SCANNED, "time_is_bounded"),
    Mutation(SCAN, "((0, 0), (1, 2), (2, 3))", "((0, 0),)", SCANNED, "every_encoding"),
    Mutation(SCAN, "*plain, base64.b64encode(raw),", "*plain,", SCANNED, "every_encoding"),
    Mutation(SCAN, 'value.encode("utf-16-le")}', "raw}", SCANNED, "every_encoding"),
    Mutation(SCAN, 'text.replace(b"\\0", b"")}', "text}", SCANNED, "windows or every_form"),
    Mutation(SCAN, "new[number] or (number > 0 and new[number - 1])", "new[number]", SCANNED, "two_lines"),
    Mutation(SCAN, "range(0, max(len(line), 1), 1500)", "range(0, max(len(line), 1), 2000)", SCANNED, "long_line"),
    Mutation(SCAN, "whole = file.parent.resolve() / file.name", "whole = file", SCANNED, "however"),
    # Keys and databases
    Mutation(f"{SECRETS}/manifests.py", 'or "require"', 'or "prefer"', ROTATED, "one_s_own"),
    Mutation(
        f"{CLUSTER}/rotate.py",
        "        write_private(draft, value.encode())\n        in_pod(",
        "        in_pod(",
        ROTATED,
        "proves_nothing",
    ),
    Mutation(
        f"{CLUSTER}/rotate.py", "if printed.split()[-1:] != [word]:", "if False:", ROTATED, "proves_nothing or admin"
    ),
    Mutation(
        f"{CLUSTER}/rotate.py", "if names := {name for", "if names := False and {name for", ROTATED, "did_not_reach"
    ),
    Mutation(f"{CLUSTER}/rotate.py", 'sys.exit(f"the new key', 'print(f"the new key', ROTATED, "real_airflow"),
    Mutation(
        f"{CLUSTER}/rotate.py",
        '    if remote.returncode:\n        raise ClusterError(\n            f"this token',
        '    if False:\n        raise ClusterError(\n            f"this token',
        ROTATED,
        "expired",
    ),
    Mutation(
        f"{CLUSTER}/database.py",
        'if sent != f"sent {arrived.hexdigest()}":',
        'if not sent.startswith("sent "):',
        DATABASE,
        "ends_early",
    ),
    Mutation(
        f"{CLUSTER}/database.py",
        "    finally:\n        draft.unlink(missing_ok=True)\n",
        "    finally:\n        pass\n",
        f"{DATABASE} {KEYBOARD}",
        "backup",
    ),
    Mutation(
        f"{CLUSTER}/database.py",
        '\nsql -c "ALTER DATABASE postgres ALLOW_CONNECTIONS false"\n',
        "\n",
        DATABASE,
        "change_places",
    ),
    Mutation(f"{CLUSTER}/database.py", "sql --single-transaction ", "sql ", DATABASE, "both_names"),
    Mutation(f"{CLUSTER}/database.py", "trap 'test -n \"$loaded\" || drop' EXIT\n", "", DATABASE, "cleans_up_alone"),
    Mutation(
        f"{CLUSTER}/database.py",
        '\nsql -c "ALTER DATABASE postgres ALLOW_CONNECTIONS true"\ndrop\n',
        "\ndrop\n",
        DATABASE,
        "half_done",
    ),
    Mutation(
        f"{CLUSTER}/database.py",
        'in_database(LOAD, source=file).startswith("loaded ")',
        "[in_database(LOAD, source=file)]",
        DATABASE,
        "not_loaded",
    ),
    Mutation(f"{CLUSTER}/database.py", "    look_at(file)\n", "", DATABASE, "before_anybody"),
    Mutation("src/etl_tools/cli.py", "    except EOFError:\n", "    except ZeroDivisionError:\n", KEYBOARD, "prompt"),
    Mutation(
        f"{CLUSTER}/environments.py",
        'f"--force-with-lease={branch}:{now}"',
        '"--force"',
        "tests/etl_tools/cluster/test_environments.py",
        "meanwhile",
    ),
    Mutation(
        "hooks/pre_gen_project.py",
        'if not url or ".." in url["path"].split("/"):',
        "if not url:",
        "tests/template/bake/test_answers.py",
        "git_repo",
    ),
    # Data
    Mutation(
        f"{DATASETS}/client.py",
        "if time.monotonic() > self._end:",
        "if False:",
        LIBRARY,
        "projects_versions and client",
    ),
    Mutation(f"{DATASETS}/client.py", "            rewind(sink, mark)\n", "", LIBRARY, "projects_versions and client"),
    Mutation(f"{DATASETS}/client.py", 'if last != b"\\n":', "if False:", LIBRARY, "projects_versions and client"),
    Mutation(
        f"{DATASETS}/client.py",
        "if not ends and count and lines != (expected := count()):",
        "if False:",
        LIBRARY,
        "projects_versions and client",
    ),
]


def copied(folder: Path) -> None:
    """Write what git has of this repository into a folder, as it is in the working tree."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=TEMPLATE, capture_output=True, check=True, text=True)
    names = [name for name in listed.stdout.split("\0") if name and (TEMPLATE / name).exists()]
    tar = ["tar", "-c", "-f", "-", "--null", "-T", "-"]
    packed = subprocess.run(tar, cwd=TEMPLATE, input="\0".join(names).encode(), capture_output=True, check=True)
    subprocess.run(["tar", "-x", "-f", "-"], cwd=folder, input=packed.stdout, check=True)
    # The chart, and uv where it is this checkout's own.
    for name in (".cache", ".tools"):
        if (TEMPLATE / name).exists():
            (folder / name).symlink_to(TEMPLATE / name)
    # An environment of its own: what is in src/ is installed from where it is.
    subprocess.run(["make", "--silent", ".venv/.installed"], cwd=folder, check=True)
    # A project that is baked from here tells its revision.
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--no-verify", "-m", "Copy"]):
        who = ["-c", "user.name=mutate", "-c", "user.email=mutate@localhost"]
        subprocess.run(["git", *who, *words], cwd=folder, check=True)


def tests(folder: Path, files: str, chosen: str) -> subprocess.CompletedProcess[str]:
    """Run tests in the copy, up to the first failure."""
    command = [
        folder / ".venv/bin/python",
        "-m",
        "pytest",
        "-q",
        "-x",
        "-n",
        "0",
        "-p",
        "no:cacheprovider",
        *files.split(),
    ]
    return subprocess.run(
        [*command, "-k", chosen], cwd=folder, capture_output=True, text=True, check=False, timeout=1800
    )


def problem(folder: Path, mutation: Mutation) -> str | None:
    """Return why a mutation is not one that a test notices, or None."""
    path = folder / mutation.file
    whole = path.read_text(encoding="utf-8")
    if whole.count(mutation.text) != 1:
        return f"its text is there {whole.count(mutation.text)} times: bring the table up to date"
    path.write_text(whole.replace(mutation.text, mutation.mutated), encoding="utf-8")
    try:
        noticed = tests(folder, mutation.tests, mutation.chosen)
    except subprocess.TimeoutExpired:
        return None
    finally:
        path.write_text(whole, encoding="utf-8")
    last = (noticed.stdout.strip().splitlines() or [noticed.stderr.strip()])[-1]
    if noticed.returncode == 1 and " failed" in last:
        return None
    return f"SURVIVES ({last.strip('= ')})" if noticed.returncode == 0 else f"the tests did not run: {last}"


def main() -> int:
    """Try every mutation, first the tests without any; return the status."""
    os.environ.pop("PYTEST_ADDOPTS", None)
    only = os.environ.get("ONLY", "")
    mutations = [mutation for mutation in MUTATIONS if only in " ".join(mutation)]
    wrong = [] if mutations else [f"no mutation has the word {only}"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copied(folder)
        for files in dict.fromkeys(mutation.tests for mutation in mutations):
            chosen = " or ".join(sorted({f"({one.chosen})" for one in mutations if one.tests == files}))
            whole = tests(folder, files, chosen)
            last = (whole.stdout.strip().splitlines() or [whole.stderr.strip()])[-1]
            print(f"as it is: {files}: {last.strip('= ')}", flush=True)
            # What is skipped would notice nothing.
            if whole.returncode or " passed" not in last or "skipped" in last:
                wrong.append(f"{files} -k '{chosen}' without a mutation: {last}")
        for mutation in mutations:
            found = problem(folder, mutation)
            what = (
                f"{mutation.file}: {' '.join(mutation.text.split())[:70]} -> {' '.join(mutation.mutated.split())[:70]}"
            )
            print(f"{'ok ' if not found else 'NO '} {what}", flush=True)
            if found:
                wrong.append(f"{what}\n    {found}")
    print("\n".join(wrong) or f"{len(mutations)} mutations, and a test noticed each.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
