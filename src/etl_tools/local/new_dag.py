"""make new-dag NAME=orders KIND=source: a DAG, its module, its test and a sample, from new_dag/.

Kinds: source (an HTTP API), files (dropped in a folder or bucket), sql (a database, by an Airflow
connection), asset (made of another DAG's clean days: ASSET=orders_clean), plain (neither days nor data),
heavy (packages of its own).
"""

import importlib.util
import json
import keyword
import re
import subprocess
import sys
from pathlib import Path
from string import Template

from dag_integrity.config import read_policy
from etl_tools.answers import DAGS_SUBPATH, ROOT, SLUG

TEMPLATES = Path(__file__).resolve().with_name("new_dag")
DAGS = Path(DAGS_SUBPATH)
PACKAGE = SLUG.replace("-", "_")
LONGEST = 30
DATASETS = ("source", "files", "sql")
KINDS = (*DATASETS, "asset", "plain", "heavy")


def check(name: str, kind: str, asset: str) -> None:
    """ValueError when no such DAG can be made."""
    if not name:
        raise ValueError("Give the DAG a name: make new-dag NAME=orders")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or len(name) > LONGEST:
        raise ValueError(f"{name!r} is not a name for a DAG: use a-z, 0-9 and _, a letter first, at most {LONGEST}.")
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        raise ValueError(f"{name} is a word of the Python language: choose another name.")
    for path in (DAGS / name, DAGS / PACKAGE / name, *targets(name)):
        if (ROOT / path).exists():
            raise ValueError(f"{path} exists: choose another name, or remove it first.")
    # Airflow puts the DAG folder on sys.path, where the file could be imported in place of such a module.
    if name in sys.stdlib_module_names or importlib.util.find_spec(name):
        raise ValueError(f"{name} is the name of a Python module: choose another name.")
    if kind not in KINDS:
        raise ValueError(f"There is no KIND={kind}, only {', '.join(KINDS)}.")
    if kind == "asset" and asset not in (known := clean_assets()):
        there = f"one of {', '.join(known)}" if known else "none yet: make a DAG with KIND=source first"
        raise ValueError(f"Say of which clean days it is made, ASSET=…: {there}.")


def clean_assets() -> list[str]:
    """The assets that stand for clean days, by the DAG files."""
    files = (ROOT / DAGS).glob("*.py")
    return sorted({name for file in files for name in re.findall(r'Asset\("(\w+_clean)"', file.read_text("utf-8"))})


def targets(name: str) -> list[Path]:
    """Where the DAG, the module, the test and the sample go, relative to the repository."""
    inside, file = DAGS / PACKAGE, f"{name}.py"
    return [DAGS / file, inside / file, Path(f"tests/test_{file}"), inside / f"{name}_sample"]


def write(name: str, kind: str, asset: str) -> list[Path]:
    """Write the files and return their paths, relative to the repository."""
    values = {
        "name": name,
        "NAME": name.upper(),
        "title": name.replace("_", " ").capitalize(),
        "package": PACKAGE,
        "owner": json.dumps((read_policy(ROOT).owners or [SLUG])[0], ensure_ascii=False),
        "asset": asset,
        "dataset": asset.removesuffix("_clean"),
        "format": "csv" if kind == "files" else "jsonl",
    }

    def filled(part: str) -> str:
        # What a kind does not have of its own is that of a dataset, or of the plain kind.
        places = [TEMPLATES / place / part for place in (kind, "dataset" if kind in DATASETS else "plain")]
        text = next(path for path in places if path.exists()).read_text(encoding="utf-8")
        return Template(text).substitute(values)

    dag, module, test, sample = targets(name)
    if kind in DATASETS:
        values["fetch"] = filled("fetch.py.txt")
    parts = {dag: "dag", module: "module", test: "test"}
    texts = {path: filled(f"{part}.py.txt") for path, part in parts.items()}
    for path in sorted((TEMPLATES / kind).glob("*2018-02-01.*")):
        texts[sample / path.name] = filled(path.name)
    for path, text in texts.items():
        (ROOT / path).parent.mkdir(exist_ok=True)
        (ROOT / path).write_text(text, encoding="utf-8")
    return list(texts)


def main(name: str, kind: str, asset: str) -> int:
    """Make the DAG; return the exit code."""
    try:
        check(name, kind, asset)
    except ValueError as problem:
        print(problem, file=sys.stderr)
        return 1
    paths = write(name, kind, asset)
    # How long a name is decides where lines break and how imports are sorted.
    python = [path for path in paths if path.suffix == ".py"]
    for command in (["check", "--quiet", "--fix", "--select", "I"], ["format", "--quiet"]):
        subprocess.run([sys.executable, "-m", "ruff", *command, *python], cwd=ROOT, check=True)
    print("Made " + ", ".join(map(str, paths)))
    print(f"Next: make run DAG={name}, make test DAG={name}; then write what you need in {paths[1]}.")
    if kind in DATASETS:
        print(f"In the cluster, {name.upper()}_SOURCE (env in helm/values.yaml) says where the rows are.")
    return 0
