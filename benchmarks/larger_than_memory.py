"""Measure the recipe "A day larger than memory" of docs/recipes.md, taken out of the page: its time and peak memory.

    .venv/bin/python benchmarks/larger_than_memory.py [--rows N] [--memory 1GB]

Of the rows 2 % have an id for the second time, so what DuckDB has to hold is most of the file.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TEMPLATE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TEMPLATE))

from tests.library.test_pages import HERE, files, uv  # noqa: E402

GENERATE = """
import duckdb, sys
duckdb.sql(f'''
    copy (
        select n - (n % 50 = 0)::int as id, timestamptz '2018-02-01 00:00:00+00' + to_milliseconds(n) as time,
            '/page/' || (n * 7919 % 1000) as page, n * 31 % 10000 / 8 as milliseconds
        from range({sys.argv[1]}) as rows(n)
    ) to '{sys.argv[2]}' (format csv)
''')
"""
BUILD = """
import json, sys, time
from my_etl.clicks import build
begun = time.perf_counter()
counts = build("2018-02-01", sys.argv[1], sys.argv[2])
seconds = time.perf_counter() - begun
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({"seconds": seconds, "peak_mb": int(status["VmHWM"].split()[0]) / 1024, **counts}))
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000_000)
    parser.add_argument("--memory", default="1GB", help="the recipe's memory_limit")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python, csv = folder / "venv" / "bin" / "python", folder / "clicks.csv"
        run([uv(), "venv", "-q", "--python", sys.executable, folder / "venv"])
        lock = ["--require-hashes", "-r", HERE / "requirements.lock"]
        run([uv(), "pip", "install", "-q", "--python", python, *lock])
        run([sys.executable, "-m", "cookiecutter", "--no-input", "-o", folder, TEMPLATE])
        path = "dags/my_etl/clicks.py"
        (folder / "my-etl" / path).write_text(files("recipes")[path], "utf-8")
        run([python, "-c", GENERATE, options.rows, csv])
        root = {"PYTHONPATH": f"{folder}/my-etl/dags", "ETL_DATA_ROOT": f"file://{folder}/data"}
        done = json.loads(run([python, "-c", BUILD, csv, options.memory], **root).splitlines()[-1])
        size = csv.stat().st_size
        shutil.rmtree(folder / "data")
    print(f"{options.rows:,} rows, a CSV of {size / 1e9:.1f} GB, memory_limit {options.memory}:")
    print(
        f"  {done['seconds']:.0f} s, peak memory of the process {done['peak_mb']:.0f} MB, {done['clean']:,} rows clean"
    )


def run(command, **variables):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "ETL"))}
    words = list(map(str, command))
    return subprocess.run(words, env=environment | variables, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    main()
