"""The tools of the bench: what each is installed from, how it is run, and how its output is read."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# The template's own pins
PINS = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
AIRFLOW = f"apache-airflow=={PINS['_airflow_version']}"
RUFF = f"ruff=={PINS['_ruff_version']}"
POLICY = """[tool.dag-integrity]
owners = ["data-team"]
external-assets = ["s3://elsewhere/*"]
connections = { warehouse = "postgres://etl@host/db" }
python = "3.11"
time-limit = 8
"""
LIMIT = 900  # seconds


class Said(NamedTuple):
    """What a tool says of a file: its own name for it, and a line, or 0 where it names none."""

    file: str
    code: str
    line: int = 0


class Died(Exception):
    """The tool ended without a result: a DAG file has ended its process, or its time was up."""


@dataclass(frozen=True)
class Tool:
    """`run` gets the tool's Python and a folder with `dags/`, and returns what it reported."""

    name: str
    packages: tuple[str, ...]
    run: Callable[[Path, Path], list[Said]]


def call(command: list, folder: Path, **environment: str) -> subprocess.CompletedProcess:
    """Run a command in the folder, with no more of the caller's environment than it needs."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    needed = {"PATH": "/usr/bin:/bin", "HOME": str(home), "AIRFLOW_HOME": str(home), "LANG": "C.UTF-8"}
    needed |= {"AIRFLOW__CORE__LOAD_EXAMPLES": "False", "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags")}
    # So that the DAG file's own line is in it
    needed["AIRFLOW__CORE__DAGBAG_IMPORT_ERROR_TRACEBACK_DEPTH"] = "50"
    command = [str(part) for part in command]
    try:
        return subprocess.run(
            command, cwd=folder, env=needed | environment, capture_output=True, text=True, timeout=LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        raise Died(f"{command[0]} took more than {LIMIT} s") from None


def parsed(done: subprocess.CompletedProcess, text: str):
    """The JSON that a tool has printed."""
    try:
        return json.loads(text)
    except ValueError:
        raise Died(f"exit code {done.returncode}: {(done.stderr or done.stdout)[-500:]}") from None


def dag_integrity(python: Path, folder: Path) -> list[Said]:
    (folder / "pyproject.toml").write_text(POLICY)
    command = [python, "-m", "dag_integrity", "--json", "report.json"]
    done = call(command, folder, PYTHONPATH=str(ROOT / "src"))
    report = folder / "report.json"
    found = parsed(done, report.read_text() if report.exists() else "")["findings"]
    return [Said(Path(one["file"]).name, one["rule"], one["line"]) for one in found]


def dagbag(python: Path, folder: Path) -> list[Said]:
    """Airflow's own DagBag, each file in a process of its own: one that ends it takes no other with it."""
    done = call([python, HERE / "dagbag_each.py", folder / "dags"], folder)
    said = []
    for name, text in parsed(done, done.stdout.splitlines()[-1] if done.stdout else "").items():
        lines = re.findall(rf'File "[^"]*/{re.escape(name)}", line (\d+)', text)
        said.append(Said(name, "import error", int(lines[-1]) if lines else 0))
    return said


def ruff(*options: str) -> Callable[[Path, Path], list[Said]]:
    def run(python: Path, folder: Path) -> list[Said]:
        command = [python, "-m", "ruff", "check", "--isolated", "--no-cache", "--exit-zero", *options]
        done = call([*command, "--output-format=json", "dags"], folder)
        return [
            Said(Path(one["filename"]).name, one["code"] or "syntax", one["location"]["row"])
            for one in parsed(done, done.stdout)
        ]

    return run


def daglint(python: Path, folder: Path) -> list[Said]:
    done = call([python.parent / "daglint", "check", "--format", "json", "dags"], folder)
    issues = parsed(done, done.stdout)["issues"]
    return [Said(Path(one["file"]).name, one["rule_id"], one["line"] or 0) for one in issues]


def dagruff(python: Path, folder: Path) -> list[Said]:
    """It reads those files alone that import DAG from `airflow` itself: so they do, in the same line."""
    for path in (folder / "dags").glob("*.py"):
        text = re.sub(
            r"(?m)^from airflow.sdk import DAG\b,?",
            "from airflow import DAG; from airflow.sdk import",
            path.read_text(),
        )
        path.write_text(re.sub(r"(?m); from airflow.sdk import$", "", text))
    done = call([python.parent / "dagruff", "--no-cache", "--exit-zero", "--format", "json", "dags"], folder)
    found = parsed(done, done.stdout[done.stdout.find("[") :])
    return [Said(Path(one["file"]).name, one["rule_id"], one.get("line") or 0) for one in found]


def of_pytest(folder: Path, command: list) -> list[Said]:
    """What the failures of a pytest run say of the files."""
    report = folder / "junit.xml"
    report.unlink(missing_ok=True)
    done = call([*command, f"--junitxml={report}", "-q", "-p", "no:cacheprovider"], folder)
    if not report.exists():
        raise Died(f"exit code {done.returncode}: {done.stdout[-500:]}")
    names = {path.stem: path.name for path in (folder / "dags").glob("*.py")}
    said = []
    for case in ElementTree.parse(report).iter("testcase"):
        for failure in [*case.iter("failure"), *case.iter("error")]:
            text = f"{case.get('name')}\n{failure.text}"
            for stem in names.keys() & set(re.findall(r"/(\w+)\.py\b", text)):
                lines = re.findall(rf'/{stem}\.py(?:", line |:)(\d+)', text)
                said.append(Said(names[stem], case.get("name").split("[")[0], int(lines[-1]) if lines else 0))
    return said


def in_a_box(python: Path, folder: Path) -> list[Said]:
    return of_pytest(folder, [python, "-m", "pytest", "--airflow-smoke", "--dag-folder=dags"])


def scaffold(python: Path, folder: Path) -> list[Said]:
    (folder / "test_dags.py").write_text((HERE / "scaffold_tests.py").read_text())
    return of_pytest(folder, [python, "-m", "pytest", "test_dags.py"])


TOOLS = (
    Tool("dag-integrity", (AIRFLOW, RUFF, "pyyaml"), dag_integrity),
    Tool("Airflow's DagBag", (AIRFLOW,), dagbag),
    Tool("ruff AIR", (RUFF,), ruff("--select=AIR")),
    Tool("ruff AIR, preview", (RUFF,), ruff("--select=AIR", "--preview")),
    Tool("daglint", ("daglint==1.1.0",), daglint),
    Tool("dagruff", ("dagruff==1.0.0",), dagruff),
    Tool(
        "pytest-airflow-in-a-box",
        (AIRFLOW, "pytest-airflow-in-a-box[airflow3]==0.13.1", f"pytest=={PINS['_pytest_version']}"),
        in_a_box,
    ),
    Tool("a scaffold's tests", (AIRFLOW, f"pytest=={PINS['_pytest_version']}"), scaffold),
)


def install(tool: Tool) -> Path:
    """The Python of the tool's own environment, made where it is not there yet."""
    place = ROOT / "build" / "dag_checks" / re.sub(r"\W+", "-", f"{tool.name}-{'-'.join(tool.packages)}")[:80]
    python = place / "bin" / "python"
    done = place / ".installed"
    if not done.exists():
        subprocess.run(["uv", "venv", "--quiet", "--clear", "--python", sys.executable, place], check=True)
        command = ["uv", "pip", "install", "--quiet", "--compile-bytecode", "--python", python]
        subprocess.run([*command, *tool.packages], check=True)
        done.touch()
    return python
