"""make new-dag NAME=orders KIND=source: a DAG, its module, its test and a sample, from new_dag/.

Kinds: source (an HTTP API), files (dropped in a folder or bucket), sql (a database, by an Airflow
connection), asset (made of what other DAGs made of a day: ASSETS="orders_clean visits_clean"), plain (neither
days nor data), heavy (packages of its own). PERIOD: what comes together, a day if it is not said.
"""

import argparse
import importlib.util
import json
import keyword
import re
import subprocess
import sys
from pathlib import Path
from string import Template

from dag_integrity.policy import read_policy
from etl_tools.answers import DAGS_SUBPATH, ROOT, SLUG
from etl_tools.local import samples

TEMPLATES = Path(__file__).resolve().with_name("new_dag")
DAGS = Path(DAGS_SUBPATH)
PACKAGE = SLUG.replace("-", "_")
LONGEST = 30
DATASETS = ("source", "files", "sql")
KINDS = (*DATASETS, "asset", "plain", "heavy")
# Period → the key of the sample's, and its three moments.
SAMPLES = {
    "hour": ("2018-02-01T08", ("2018-02-01T08:00:00Z", "2018-02-01T08:40:00Z", "2018-02-01T08:59:59Z")),
    "day": ("2018-02-01", ("2018-02-01T08:15:00Z", "2018-02-01T10:40:00Z", "2018-02-01T23:59:59Z")),
    "week": ("2018-01-29", ("2018-01-29T08:15:00Z", "2018-02-01T10:40:00Z", "2018-02-04T23:59:59Z")),
    "month": ("2018-02", ("2018-02-01T08:15:00Z", "2018-02-10T10:40:00Z", "2018-02-28T23:59:59Z")),
}


def check(name: str, kind: str, assets: list[str], period: str) -> None:
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
    if period not in SAMPLES:
        raise ValueError(f"There is no PERIOD={period}, only {', '.join(SAMPLES)}.")
    known = clean_assets() if kind == "asset" else []
    if kind == "asset" and not (assets and set(assets) <= set(known)):
        there = f"some of {', '.join(known)}" if known else "none yet: make a DAG with KIND=source first"
        raise ValueError(f"Say of which clean days it is made, ASSETS=…: {there}.")


def period_of(assets: list[str]) -> str:
    """The period that the assets' datasets have; ValueError when they have not the same one."""
    found = {}
    for asset in assets:
        files = [folder / f"{asset.removesuffix('_clean')}.py" for folder in (ROOT / DAGS, ROOT / DAGS / PACKAGE)]
        text = "".join(file.read_text("utf-8") for file in files if file.exists())
        stated = re.search(r'\bperiod="(\w+)"', text)
        found[asset] = stated[1] if stated else "day"
    if len(set(found.values())) > 1:
        both = ", ".join(f"{asset} by the {period}" for asset, period in found.items())
        raise ValueError(f"What is made of several has their period, which must be the same: {both}.")
    return next(iter(found.values()), "day")


def clean_assets() -> list[str]:
    """The assets that stand for clean days, by the DAG files."""
    files = (ROOT / DAGS).glob("*.py")
    return sorted({name for file in files for name in re.findall(r'Asset\("(\w+_clean)"', file.read_text("utf-8"))})


def targets(name: str) -> list[Path]:
    """Where the DAG, the module, the test and the sample go, relative to the repository."""
    inside, file = DAGS / PACKAGE, f"{name}.py"
    return [DAGS / file, inside / file, Path(f"tests/test_{file}"), samples.folder(name)]


def write(name: str, kind: str, assets: list[str], period: str) -> list[Path]:
    """Write the files and return their paths, relative to the repository."""
    key, moments = SAMPLES[period]
    sources = [asset.removesuffix("_clean") for asset in assets]
    values = {
        "name": name,
        "NAME": name.upper(),
        "title": name.replace("_", " ").capitalize(),
        "package": PACKAGE,
        "owner": json.dumps((read_policy(ROOT).owners or [SLUG])[0], ensure_ascii=False),
        "assets": " & ".join(f'Asset("{asset}")' for asset in assets),
        "datasets": " and ".join(sources),
        "sources": json.dumps(sources).strip("[]") + ",",
        "tags": json.dumps(sources),
        "format": "csv" if kind == "files" else "jsonl",
        "period": period,
        "is_period": "" if period == "day" else f'period="{period}", ',
        "key": key,
        "stamp": {"hour": "%Y-%m-%dT%H", "month": "%Y-%m"}.get(period, "%Y-%m-%d"),
        **{f"at{number}": moment for number, moment in enumerate(moments, 1)},
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
    if kind in DATASETS:
        texts[sample / f"{key}.{values['format']}"] = filled(f"key.{values['format']}")
    for path, text in texts.items():
        (ROOT / path).parent.mkdir(exist_ok=True)
        (ROOT / path).write_text(text, encoding="utf-8")
    return list(texts)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make new-dag", description=__doc__)
    parser.add_argument("name", nargs="?", default="")
    parser.add_argument("--kind", default="source")
    parser.add_argument("--asset", default="", help='another DAG\'s clean days; several: "orders_clean visits_clean"')
    parser.add_argument("--period", default="", help=f"one of {', '.join(SAMPLES)}")
    arguments = parser.parse_args()
    name, kind, assets = arguments.name, arguments.kind, arguments.asset.split()
    try:
        period = arguments.period or period_of(assets)
        check(name, kind, assets, period)
    except ValueError as problem:
        print(problem, file=sys.stderr)
        return 1
    paths = write(name, kind, assets, period)
    # How long a name is decides where lines break and how imports are sorted.
    python = [path for path in paths if path.suffix == ".py"]
    for command in (["check", "--quiet", "--fix", "--select", "I"], ["format", "--quiet"]):
        subprocess.run([sys.executable, "-m", "ruff", *command, *python], cwd=ROOT, check=True)
    print("Made " + ", ".join(map(str, paths)))
    print(f"Next: make run DAG={name}, make test DAG={name}; then write what you need in {paths[1]}.")
    if kind in DATASETS:
        print(f"The sample in {paths[-1].parent} stands in for the source where no day is asked for, and in the test.")
        print(f"{name.upper()}_SOURCE (env in helm/values.yaml) says where the rows really are.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
