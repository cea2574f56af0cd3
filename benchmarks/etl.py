"""Measure the generated ETL: a slice beside bare scripts, a large day, the cost per row, and a large download.

    make bench   or   .venv/bin/python benchmarks/etl.py [--rows N] [--day N] [--gigabytes N] [--runs N]

Every figure is a process of its own, imports not counted; what is compared runs in turn, and ratios are medians.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TEMPLATE = Path(__file__).resolve().parents[1]
HERE = TEMPLATE / "benchmarks" / "etl"
TOOLS = ("pandas", "polars", "duckdb")
SLICES = 24


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the single slice")
    parser.add_argument("--day", type=int, default=5_000_000, help="rows of the day in 24 slices")
    parser.add_argument("--gigabytes", type=float, default=2, help="of the download")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        bench.slice(options.rows, options.runs)
        bench.day(options.day)
        bench.curve([n for n in (10_000, 100_000, 1_000_000, options.day) if n <= options.day])
        bench.download(options.gigabytes, options.runs)


class Bench:
    """A baked and installed project, a venv with the bare scripts' tools, and the measurements."""

    def __init__(self, folder):
        self.folder = folder
        command([sys.executable, "-m", "cookiecutter", "--no-input", "-o", str(folder), str(TEMPLATE)], folder)
        self.project = folder / "my-etl"
        command(["make", "install"], self.project)
        uv = shutil.which("uv") or str(TEMPLATE / ".tools" / "bin" / "uv")
        command([uv, "venv", "-q", "--python", sys.executable, "bare"], folder)
        locked = command([uv, "pip", "freeze", "--python", f"{self.project}/.venv/bin/python"], folder).split()
        pins = [line for line in locked if line.startswith(("pandas==", "pyarrow=="))]
        command([uv, "pip", "install", "-q", "--python", "bare/bin/python", *pins, "polars", "duckdb"], folder)

    def step(self, root, *arguments):
        return json.loads(self.start(root, *arguments).communicate()[0].splitlines()[-1])

    def start(self, root, *arguments):
        return subprocess.Popen(
            [f"{self.project}/.venv/bin/python", HERE / "step.py", "my_etl", f"file://{root}", *map(str, arguments)],
            env=os.environ | {"PYTHONPATH": f"{self.project}/dags"},
            stdout=subprocess.PIPE,
            text=True,
        )

    def slice(self, rows, runs):
        root = self.folder / "slice"
        self.step(root, "generate", rows, 1)
        (source,) = root.glob("raw/*/*/*.csv")
        found = {name: [] for name in (*TOOLS, "transform")}
        for _ in range(runs):
            for tool in TOOLS:
                out = command(
                    [f"{self.folder}/bare/bin/python", HERE / "bare.py", tool, source, root / "bare.parquet"], root
                )
                found[tool].append(json.loads(out))
            found["transform"].append(self.step(root, "clean", 0))
        print(f"One slice, {rows:,} rows, {source.stat().st_size / 1e6:.0f} MB, median of {runs}")
        for name, results in found.items():
            wall, processor, peak = (median(results, key) for key in ("seconds", "processor", "peak_mb"))
            print(f"  {name:12}{wall:8.2f} s{processor:8.2f} s of a processor{peak:8.0f} MB")
        faster = min(("polars", "duckdb"), key=lambda tool: median(found[tool], "seconds"))
        print(f"  transform / {faster}: {ratio(found['transform'], found[faster], 'seconds'):.2f} of the time")
        print(f"  transform / pandas: {ratio(found['transform'], found['pandas'], 'peak_mb'):.2f} of the memory")

    def day(self, rows):
        root = self.folder / "day"
        self.step(root, "generate", rows, SLICES)
        one, _ = self.workers(root, [range(SLICES)])
        two, parts = self.workers(root, [range(0, SLICES, 2), range(1, SLICES, 2)])
        singles = [self.step(root, "clean", number) for number in (0, SLICES - 1)]
        (self.folder / "parts.json").write_text(json.dumps(parts))
        last = self.step(root, "finish", self.folder / "parts.json")
        peak = max(done["peak_mb"] for done in (*singles, last))
        print(f"A day of {rows:,} rows in {SLICES} slices")
        print(f"  one worker {one:.2f} s, two workers {two:.2f} s: {one / two:.2f} times as fast")
        print(f"  check and publish {last['seconds']:.2f} s; peak memory of a task {peak:.0f} MB")

    def workers(self, root, shares):
        """Seconds of processes that clean their shares of the slices at the same time, and what they returned."""
        begun = [self.start(root, "clean", *share) for share in shares]
        done = [json.loads(process.communicate()[0].splitlines()[-1]) for process in begun]
        return max(d["seconds"] for d in done), [part for d in done for part in d["result"]]

    def curve(self, sizes):
        print("Cost per row")
        for rows in sizes:
            root = self.folder / f"curve-{rows}"
            slices = max(1, rows // 200_000)
            self.step(root, "generate", rows, slices)
            done = self.step(root, "clean", *range(slices))
            print(f"  {rows:>10,} rows{done['seconds'] / rows * 1e6:8.2f} microseconds a row")
            shutil.rmtree(root)

    def download(self, gigabytes, runs):
        root = self.folder / "download"
        root.mkdir()
        (source,) = (self.folder / "slice").glob("raw/*/*/*.csv")
        header, body = source.read_bytes().split(b"\n", 1)
        repeats = int(gigabytes * 1e9 / len(body)) + 1
        server = serve(header + b"\n", body, repeats)
        address = f"http://127.0.0.1:{server.server_port}/query"
        curls, fetches = [], []
        for _ in range(runs):
            begin = time.perf_counter()
            command(["curl", "-sS", "-o", root / "curl.csv", address], root)
            curls.append({"seconds": time.perf_counter() - begin})
            fetches.append(self.step(root, "fetch", address))
        server.shutdown()
        size = (root / "curl.csv").stat().st_size
        assert size == (root / "fetched.csv").stat().st_size
        print(f"A body of {size / 1e9:.1f} GB, median of {runs}")
        for name, results in (("curl -o", curls), ("extract", fetches)):
            print(
                f"  {name:12}{median(results, 'seconds'):8.2f} s  {size / 1e6 / median(results, 'seconds'):6.0f} MB/s"
            )
        print(f"  extract has {1 / ratio(fetches, curls, 'seconds'):.2f} of curl's speed,", end="")
        print(f" peak memory {median(fetches, 'peak_mb'):.0f} MB")


def serve(header, body, repeats):
    """A server of one body, held in memory once."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/csv")
            self.send_header("Content-Length", str(len(header) + repeats * len(body)))
            self.end_headers()
            self.wfile.write(header)
            for _ in range(repeats):
                self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def command(words, cwd):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "ETL"))}
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def median(results, key):
    return statistics.median(result[key] for result in results)


def ratio(ours, theirs, key):
    return statistics.median(a[key] / b[key] for a, b in zip(ours, theirs, strict=True))


if __name__ == "__main__":
    main()
