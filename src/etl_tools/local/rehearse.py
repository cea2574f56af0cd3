"""make rehearse AIRFLOW=3.4.0: try another Airflow version on the DAGs and on a copy of the database.

A second environment, .airflow/rehearse/VERSION, gets that version and what pyproject.toml names. Both versions check
and serialize every DAG; what differs is a table. The database's migration is tried on a copy of the local one, or
on a restored backup (DATABASE=postgresql://…), which it changes. Nothing else of the project is touched.

Exit code 1: a DAG file or the migration fails with that version. A DAG that only changes is no failure.
"""

import json
import os
import re
import shutil
import sqlite3
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from etl_tools import answers, programs
from etl_tools.local import environment

VERSION = re.compile(r"\d+\.\d+(\.\d+)?((a|b|rc)\d+)?")
LOOK = Path(__file__).with_name("rehearse_look.py")
LIMIT = 1800  # seconds for one step
LEFT_OUT = {"fileloc", "relative_fileloc", "_processor_dags_folder", "bundle_name", "bundle_version"}
ORDER = ("import error", "DAG gone", "checks", "migration", "changed", "deprecated", "finding", "DAG new", "cured")
FAILURES = {"import error", "DAG gone", "checks", "migration"}

# Faults that the checks must see with each version, or that they see nothing in the DAGs says nothing
CANARIES = {
    "unstable": "BashOperator(task_id='a', bash_command=' '.join({'north', 'south'}))",
    "forbidden-at-import": "BashOperator(task_id='a', bash_command=Variable.get('canary', default='x'))",
    "template": "BashOperator(task_id='a', bash_command='{{ canary_of_no_name }}')",
    "import-error": "import canary_of_no_name",
}
CANARY = """from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, Variable
with DAG("canary_{}", schedule=None):
    {}
"""


class Row(NamedTuple):
    """A difference between the two versions: its kind, where it is, what differs, and what to do."""

    kind: str
    where: str
    what: str
    write: str = ""


class Side(NamedTuple):
    """What one version makes of the DAGs: rehearse_look.py's answer, and what dag-integrity finds."""

    look: dict[str, Any]
    findings: list[dict[str, Any]]
    unchecked: str = ""
    blind: tuple[str, ...] = ()


def uv() -> str:
    return shutil.which("uv") or str(answers.ROOT / ".tools/bin/uv")


def requirements(version: str) -> list[str]:
    """What the second environment gets: that Airflow, what the project names, and what the checks need."""
    named = tomllib.loads((answers.ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    others = [one for one in named if not re.match(r"apache-airflow(-core|-task-sdk)?\b(?!-)", one)]
    return [f"apache-airflow=={version}", *others, "ruff", "pyyaml"]


def install(version: str) -> Path:
    """The Python of an environment with that version. ValueError: the index has none, or it does not fit."""
    place = environment.HOME / "rehearse" / version
    python = place / "bin" / "python"
    if (place / ".installed").exists():
        return python
    print(f"Installing Airflow {version} into {place.relative_to(answers.ROOT)} ...", flush=True)
    environment.close(environment.HOME)
    shutil.rmtree(place, ignore_errors=True)
    for command in (
        ("venv", "--quiet", "--python", sys.executable, place),
        ("pip", "install", "--quiet", "--no-config", "--python", python, "--prerelease=allow", *requirements(version)),
    ):
        done = programs.run(uv(), *command, timeout=LIMIT, env=dict(os.environ))
        if done.returncode:
            shutil.rmtree(place, ignore_errors=True)
            missing = "uv, which installs it, is not there: https://docs.astral.sh/uv"
            raise ValueError(missing if done.returncode == 127 else why_not(version, done.stderr))
    (place / ".installed").touch()
    return python


def why_not(version: str, said: str) -> str:
    """Why an environment with that version cannot be made, in one line."""
    text = " ".join(re.sub(r"[^\w\s.,:;()=<>'`\[\]-]", " ", said).split())
    if re.search(rf"no version of apache-airflow=={re.escape(version)}", text):
        return f"The index has no Airflow {version}: name one that it has, as make rehearse AIRFLOW=3.4.0b2"
    if "Python" in text and "requires" in text.lower() and "apache-airflow" in text:
        return f"Airflow {version} needs another Python than {sys.version.split()[0]}: {text[-250:]}"
    return f"Airflow {version} cannot be installed beside what pyproject.toml names: {text[-300:]}"


def variables(home: Path) -> dict[str, str]:
    """The environment of an Airflow that has neither our database nor our logs."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHON"))}
    ours |= {name: value for name, value in environment.chosen().items() if not name.startswith("AIRFLOW__DATABASE")}
    ours |= environment.variables() | {"AIRFLOW_HOME": str(home)}
    ours["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{home}/airflow.db"
    return ours


def look(python: Path, folder: Path) -> Side:
    """Let this Python's Airflow parse and check the DAGs. ValueError: it cannot be asked."""
    home = folder / "home"
    home.mkdir(parents=True)
    answer, ours = folder / "look.json", variables(home)
    done = programs.run(python, LOOK, answers.ROOT, answers.DAGS_SUBPATH, answer, timeout=LIMIT, env=ours)
    if done.returncode or not answer.exists():
        raise ValueError(f"{python} cannot parse the DAG folder: {last_line(done.stderr or done.stdout)}")
    import dag_integrity

    (folder / "path").mkdir()
    (folder / "path" / "dag_integrity").symlink_to(Path(dag_integrity.__file__).parent)
    ours["PYTHONPATH"] = str(folder / "path")
    seen = json.loads(answer.read_text("utf-8"))
    try:
        findings = check(python, answers.ROOT, folder / "report.json", ours)
        return Side(seen, findings, blind=blind(python, folder, ours))
    except ValueError as problem:
        return Side(seen, [], str(problem))


def check(python: Path, root: Path, report: Path, ours: dict[str, str]) -> list[dict[str, Any]]:
    """What dag-integrity finds with this Python's Airflow. ValueError: it does not run."""
    done = programs.run(python, "-m", "dag_integrity", "--root", root, "--json", report, timeout=LIMIT, env=ours)
    if done.returncode not in (0, 1) or not report.exists():
        raise ValueError(last_line(done.stderr or done.stdout))
    findings: list[dict[str, Any]] = json.loads(report.read_text("utf-8"))["findings"]
    return findings


def blind(python: Path, folder: Path, ours: dict[str, str]) -> tuple[str, ...]:
    """The rules that say nothing of a DAG file that breaks them."""
    dags = folder / "canaries" / "dags"
    dags.mkdir(parents=True)
    for rule, fault in CANARIES.items():
        (dags / f"{rule}.py").write_text(CANARY.format(rule, fault), encoding="utf-8")
    found = {(one["file"], one["rule"]) for one in check(python, dags.parent, folder / "canaries.json", ours)}
    return tuple(rule for rule in CANARIES if (f"dags/{rule}.py", rule) not in found)


def last_line(text: str) -> str:
    """What a traceback or a log says in the end, in one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and "Background on this error" not in line]
    wrong = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b|.*\bFATAL\b", line)]
    return (wrong or lines or ["it says nothing"])[-1]


def compare(now: Side, then: Side) -> list[Row]:
    """What differs, the worst first."""
    rows = [Row("checks", "dag-integrity", side.unchecked) for side in (now, then) if side.unchecked]
    for side in (now, then):
        for rule in side.blind:
            wrong = f"with Airflow {side.look['version']} {rule} says nothing of a DAG file that breaks it"
            rows.append(Row("checks", "dag-integrity", wrong, "Take checks that are made for that version"))
    cures = {one["file"]: one for one in reversed(then.findings) if one["rule"] in ("import-error", "airflow-3")}
    for file, text in sorted(then.look["errors"].items()):
        if file not in now.look["errors"]:
            cure = cures.get(file, {})
            write = then.look["moved"].get(file) or cure.get("write", "")
            rows.append(Row("import error", f"{file}:{cure.get('line', 1)}", last_line(text), write))
    rows += [
        Row("cured", file, "its import error is gone")
        for file in sorted(now.look["errors"].keys() - then.look["errors"])
    ]
    failed = {row.where.rpartition(":")[0] for row in rows if row.kind == "import error"}
    ours, theirs = now.look["dags"], then.look["dags"]
    rows += [
        Row("DAG gone", ours[one]["file"], one)
        for one in sorted(ours.keys() - theirs)
        if ours[one]["file"] not in failed
    ]
    rows += [Row("DAG new", theirs[one]["file"], one) for one in sorted(theirs.keys() - ours)]
    for dag_id in sorted(ours.keys() & theirs):
        rows += [
            Row("changed", f"{ours[dag_id]['file']} {dag_id}", what) for what in changes(ours[dag_id], theirs[dag_id])
        ]
    rows += [row for row in deprecations(now, then) if row.where.rpartition(":")[0] not in failed]
    rows += new_findings(now, then)
    return sorted(dict.fromkeys(rows), key=lambda row: (ORDER.index(row.kind), row.where))


def changes(ours: dict[str, Any], theirs: dict[str, Any], limit: int = 5) -> list[str]:
    """What differs of one DAG: its values and its tasks', defaults too, then what is serialized."""
    found = [f"{name}: {old!r} → {new!r}" for name, old, new in unequal(ours["values"], theirs["values"])]
    for task_id in sorted(ours["tasks"].keys() & theirs["tasks"]):
        pairs = unequal(ours["tasks"][task_id], theirs["tasks"][task_id])
        found += [f"task {task_id}, {name}: {old!r} → {new!r}" for name, old, new in pairs]
    if ours["tasks"].keys() != theirs["tasks"].keys():
        found.append(f"tasks: {sorted(ours['tasks'])} → {sorted(theirs['tasks'])}")
    if not found:
        found = [
            f"{where}: {short(old)} → {short(new)}"
            for where, old, new in unequal(ours["serialized"], theirs["serialized"])
        ]
    return [*found[:limit], *([f"and {len(found) - limit} more"] if len(found) > limit else [])]


def unequal(one: Any, other: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The places that both have and whose values differ; what only one version writes is its form, no change."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted((one.keys() & other.keys()) - LEFT_OUT):
            yield from unequal(one[key], other[key], f"{where}.{key}".lstrip("."))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        texts = [sorted(json.dumps(item, sort_keys=True) for item in items) for items in (one, other)]
        for number, pair in enumerate(zip(one, other, strict=True)) if texts[0] != texts[1] else ():
            yield from unequal(*pair, f"{where}[{number}]")
    elif one != other:
        yield where, one, other


def short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def deprecations(now: Side, then: Side) -> list[Row]:
    """What that version says is deprecated, with its fix: by the checks, and by Airflow's own warnings."""
    before = {(one["file"], one["wrong"]) for one in now.findings}
    found = [one for one in then.findings if one["rule"] == "airflow-3" and (one["file"], one["wrong"]) not in before]
    rows = [Row("deprecated", f"{one['file']}:{one['line']}", one["wrong"], one["write"]) for one in found]
    for file, texts in then.look["warnings"].items():
        known = {message_of(text) for text in now.look["warnings"].get(file, ())}
        for text in texts:
            if message_of(text) not in known and re.search("Deprecat|RemovedIn|deprecated", text):
                rows.append(Row("deprecated", file, message_of(text)))
    return rows


def message_of(warning: str) -> str:
    """A captured warning without the file and line that it is blamed on."""
    return " ".join(re.sub(r"^.*?:\d+: [\w.]+: ", "", warning).split())


def new_findings(now: Side, then: Side) -> list[Row]:
    """What the checks say with that version alone."""
    before = {(one["file"], one["rule"], one["dag_id"]) for one in now.findings}
    known = {"airflow-3", "import-error"}
    new = [
        one
        for one in then.findings
        if (one["file"], one["rule"], one["dag_id"]) not in before and one["rule"] not in known
    ]
    return [
        Row("finding", f"{one['file']}:{one['line']}", f"{one['rule']}: {one['wrong']}", one["write"]) for one in new
    ]


def local_copy(folder: Path) -> str:
    """The address of a copy of the local database, '' where there is none. ValueError: it cannot be read."""
    path, copy = environment.HOME / "airflow.db", folder / "copy.db"
    if not path.exists():
        return ""
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as ours, sqlite3.connect(copy) as theirs:
            ours.backup(theirs)
    except sqlite3.Error as problem:
        raise ValueError(f"{path.relative_to(answers.ROOT)} cannot be copied: {problem}") from None
    return f"sqlite:///{copy}"


def migrate(python: Path, url: str, what: str, folder: Path) -> list[Row]:
    """Try the migration of the database at this address; prints how long it takes."""
    if not url:
        print("Database: there is no local one to try; DATABASE=postgresql://… names a restored backup")
        return []
    if url.startswith("postgres"):
        drivers = (uv(), "pip", "install", "--quiet", "--python", python, "psycopg2-binary", "asyncpg")
        done = programs.run(*drivers, timeout=LIMIT, env=dict(os.environ))
        if done.returncode:
            raise ValueError(f"PostgreSQL's drivers cannot be installed: {last_line(done.stderr)}")
    ours = variables(folder / "home") | {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url}
    started = time.monotonic()
    done = programs.run(python, "-m", "airflow", "db", "migrate", timeout=LIMIT, env=ours)
    took = f"{time.monotonic() - started:.1f} s"
    if done.returncode:
        said = re.sub(r"://[^@/\s]*@", "://…@", last_line(done.stderr or done.stdout))
        write = "Do not deploy this version before that is understood"
        return [Row("migration", what, f"fails after {took}: {said}", write)]
    print(f"Database: {what} was migrated in {took}")
    return []


def table(rows: list[Row]) -> str:
    lines = [("WHAT", "WHERE", "DIFFERENCE"), *((row.kind, row.where, row.what) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in (0, 1)]
    out = []
    for line, row in zip(lines, [None, *rows], strict=True):
        out.append(f"{line[0]:<{widths[0]}}  {line[1]:<{widths[1]}}  {line[2]}")
        if row and row.write:
            out.append(f"{'':<{widths[0]}}  {'':<{widths[1]}}  {row.write}.")
    return "\n".join(out)


def rehearse(version: str, url: str, python: Path | None) -> int:
    """Compare the two versions, and print what differs. ValueError: it cannot be done."""
    if not version:
        raise ValueError("Name a version: make rehearse AIRFLOW=3.4.0")
    if not VERSION.fullmatch(version):
        raise ValueError(f"{version} is no version of Airflow: write one as 3.4.0 or 3.4.0b2")
    if url and url == environment.chosen().get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"):
        raise ValueError("That is this project's own database: restore a backup into another one, and name that")
    python = python or install(version)
    with tempfile.TemporaryDirectory(prefix="rehearse-") as place:
        what = "the restored backup" if url else "a copy of .airflow/airflow.db"
        url = url or local_copy(Path(place))
        now = look(Path(sys.executable), Path(place, "now"))
        then = look(python, Path(place, "then"))
        if then.look["version"] != version:
            raise ValueError(f"{python} has Airflow {then.look['version']}, not {version}")
        rows = compare(now, then)
        rows += migrate(python, url, what, Path(place, "then"))
    both = [f"{len(side.look['dags'])} DAGs in {side.look['seconds']:.1f} s" for side in (now, then)]
    print(f"Airflow {now.look['version']}: {both[0]}; Airflow {version}: {both[1]}")
    if not rows:
        print("Nothing differs.")
        return 0
    print(table(sorted(rows, key=lambda row: ORDER.index(row.kind))))
    failures = sum(row.kind in FAILURES for row in rows)
    plural = "" if len(rows) == 1 else "s"
    print(f"{len(rows)} difference{plural}, {failures or 'none'} of them {'failures' if failures > 1 else 'a failure'}")
    return 1 if failures else 0


def main(version: str, database: str, python: Path | None) -> int:
    """Print the table and return the exit code."""
    try:
        return rehearse(version, database, python)
    except ValueError as problem:
        print(problem, file=sys.stderr)
        return 2
