"""Measure the generated ETL: a day beside bare scripts, days of other kinds, a large one, many, on S3, a download.

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
sys.path.insert(0, str(TEMPLATE))

from tests.servers.s3_server import connection, make_bucket_script, s3_server  # noqa: E402

HERE = TEMPLATE / "benchmarks" / "etl"
sys.path.insert(0, str(HERE))

from cases import CASES  # noqa: E402

TOOLS = ("pandas", "polars", "duckdb")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the day that other tools transform, too")
    parser.add_argument("--day", type=int, default=5_000_000, help="rows of the large day")
    parser.add_argument("--days", type=int, default=24, help="days of 200,000 rows for two workers")
    parser.add_argument("--gigabytes", type=float, default=2, help="of the download")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        bench.one_day(options.rows, options.runs)
        bench.cases(options.rows // 4, options.runs)
        bench.large_day(options.day)
        bench.many_days(options.days, options.runs)
        bench.curve([n for n in (10_000, 100_000, 1_000_000) if n <= options.rows], options.runs)
        bench.on_s3(options.rows, options.runs)
        bench.download(options.gigabytes, options.runs)


class Bench:
    """A baked and installed project, a venv with the bare scripts' tools, and the measurements."""

    def __init__(self, folder):
        self.folder = folder
        own = ("AIRFLOW", "ETL", "PYTHON")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        self.environment["AIRFLOW_HOME"] = str(folder / "airflow")
        bake = [sys.executable, "-m", "cookiecutter", "--no-input", "-o", str(folder), str(TEMPLATE)]
        command(bake, folder)
        self.project = folder / "my-etl"
        # Installs it all, with what S3 needs.
        command(["make", "add", "PKG=apache-airflow-providers-amazon[s3fs]"], self.project)
        uv = shutil.which("uv") or str(TEMPLATE / ".tools" / "bin" / "uv")
        command([uv, "venv", "-q", "--python", sys.executable, "bare"], folder)
        locked = command([uv, "pip", "freeze", "--python", f"{self.project}/.venv/bin/python"], folder).split()
        pins = [line for line in locked if line.startswith(("pandas==", "pyarrow=="))]
        command([uv, "pip", "install", "-q", "--python", "bare/bin/python", *pins, "polars", "duckdb"], folder)

    def step(self, root, *arguments):
        return json.loads(self.start(root, *arguments).communicate()[0].splitlines()[-1])

    def start(self, root, *arguments):
        """Start a step on a data root: a folder or an URL."""
        url = root if isinstance(root, str) else f"file://{root}"
        return subprocess.Popen(
            [f"{self.project}/.venv/bin/python", HERE / "step.py", "my_etl", url, *map(str, arguments)],
            env=self.environment | {"PYTHONPATH": f"{self.project}/dags"},
            stdout=subprocess.PIPE,
            text=True,
        )

    def one_day(self, rows, runs):
        root = self.folder / "one"
        self.step(root, "generate", rows, 1)
        (source,) = root.glob("raw/*/*/*.csv")
        found = {name: [] for name in (*TOOLS, "transform")}
        for _ in range(runs):
            for tool in TOOLS:
                out = command(
                    [f"{self.folder}/bare/bin/python", HERE / "bare.py", tool, source, root / "bare.parquet"], root
                )
                found[tool].append(json.loads(out))
            found["transform"].append(self.step(root, "transform"))
        print(f"A day of {rows:,} rows, {source.stat().st_size / 1e6:.0f} MB, median of {runs}")
        for name, results in found.items():
            wall, processor, peak = (median(results, key) for key in ("seconds", "processor", "peak_mb"))
            print(f"  {name:12}{wall:8.2f} s{processor:8.2f} s of a processor{peak:8.0f} MB")
        for key in ("seconds", "processor"):
            faster = min(("polars", "duckdb"), key=lambda tool: median(found[tool], key))
            print(f"  transform / {faster}: {ratio(found['transform'], found[faster], key):.2f} of the {key}")
        print(f"  transform / pandas: {ratio(found['transform'], found['pandas'], 'peak_mb'):.2f} of the memory")

    def cases(self, rows, runs):
        """Days that are not the ordinary one, each beside bare scripts and beside the clean day."""
        tools, python = ("pandas", "duckdb"), f"{self.folder}/bare/bin/python"
        found, out = {}, self.folder / "bare.parquet"
        for case in CASES:
            self.step(self.folder / f"case-{case}", "write", case, rows)
            found[case] = {name: [] for name in (*tools, "transform")}
        for _ in range(runs):
            for case, results in found.items():
                (raw,) = (self.folder / f"case-{case}").glob("raw/*/*")
                for tool in tools:
                    printed = command([python, HERE / "bare.py", tool, raw, out, case], self.folder)
                    results[tool].append(json.loads(printed))
                results["transform"].append(self.step(self.folder / f"case-{case}", "case", case))
        print(f"Processor seconds of {rows:,} rows (wide: as many cells), median of {runs}; ratios of each run")
        print("  case          transform  / clean  / duckdb  / pandas  memory / pandas")
        for case, results in found.items():
            ours, key = results["transform"], "processor"
            others = [found["clean"]["transform"], results["duckdb"], results["pandas"]]
            ratios = "".join(f"{ratio(ours, other, key):10.2f}" for other in others)
            memory = ratio(ours, results["pandas"], "peak_mb")
            print(f"  {case:14}{median(ours, key):7.2f} s{ratios}{memory:10.2f}", flush=True)
            shutil.rmtree(self.folder / f"case-{case}")

    def large_day(self, rows):
        root = self.folder / "large"
        self.step(root, "generate", rows, 8)
        done = self.step(root, "transform")
        print(
            f"A day of {rows:,} rows in one task: {done['seconds']:.1f} s, {done['peak_mb'] / 1000:.2f} GB", flush=True
        )
        shutil.rmtree(root)

    def many_days(self, count, runs):
        """Days spread over workers, as an executor does it."""
        root = self.folder / "many"
        days = [f"2018-02-{number:02d}" for number in range(1, count + 1)]
        for day in days:
            self.step(root, "generate", 200_000, 1, day)
        ones, twos = [], []
        for _ in range(runs):
            ones.append({"seconds": self.workers(root, [days])})
            twos.append({"seconds": self.workers(root, [days[0::2], days[1::2]])})
        one, two = median(ones, "seconds"), median(twos, "seconds")
        print(f"{count} days of 200,000 rows, median of {runs}")
        print(f"  one worker {one:.2f} s, two workers {two:.2f} s: {ratio(ones, twos, 'seconds'):.2f} times as fast")

    def workers(self, root, shares):
        """Seconds of processes that transform their shares of the days at the same time."""
        begun = [self.start(root, "transform", *share) for share in shares]
        return max(json.loads(process.communicate()[0].splitlines()[-1])["seconds"] for process in begun)

    def curve(self, sizes, runs):
        print(f"Cost per row in a process that has done it before, median of {runs}")
        for rows in sizes:
            root = self.folder / f"curve-{rows}"
            self.step(root, "generate", rows, 1)
            done = [self.step(root, "again") for _ in range(runs)]
            print(f"  {rows:>10,} rows{median(done, 'seconds') / rows * 1e6:8.2f} microseconds a row", flush=True)
            shutil.rmtree(root)

    def on_s3(self, rows, runs):
        """The transform of a day of eight slices on a disk and on a real S3 server."""
        (self.folder / "s3").mkdir()
        with s3_server(self.folder / "s3") as address:
            self.environment["AIRFLOW_CONN_STORE"] = connection(address)
            command([f"{self.project}/.venv/bin/python", "-c", make_bucket_script(address, "bench")], self.folder)
            roots = {"disk": self.folder / "on-disk", "S3": "s3://store@bench/data"}
            found = {name: [] for name in roots}
            for root in roots.values():
                self.step(root, "generate", rows, 8)
            for _ in range(runs):
                for name, root in roots.items():
                    found[name].append(self.step(root, "transform"))
        disk, s3 = (median(found[name], "seconds") for name in roots)
        print(f"A day of {rows:,} rows in 8 slices, median of {runs}")
        print(f"  disk {disk:.2f} s, S3 {s3:.2f} s: {ratio(found['S3'], found['disk'], 'seconds'):.2f} times")

    def download(self, gigabytes, runs):
        root = self.folder / "download"
        root.mkdir()
        (source,) = (self.folder / "one").glob("raw/*/*/*.csv")
        header, body = source.read_bytes().split(b"\n", 1)
        repeats = int(gigabytes * 1e9 / len(body)) + 1
        server = serve(header + b"\n", body, repeats)
        address = f"http://127.0.0.1:{server.server_port}/query"
        curls, durable, fetches = [], [], []
        for _ in range(runs):
            curl = ["curl", "-sS", "-o", root / "curl.csv", address]
            curls.append(self.timed(curl))
            durable.append({"seconds": curls[-1]["seconds"] + self.timed(["sync", root / "curl.csv"])["seconds"]})
            size = self.forget(root / "curl.csv")
            fetches.append(self.step(root, "fetch", address))
            assert size == self.forget(root / "fetched.csv")
        server.shutdown()
        print(f"A body of {size / 1e9:.1f} GB, median of {runs}")
        for name, results in (("curl -o", curls), ("curl -o, sync", durable), ("extract", fetches)):
            seconds = median(results, "seconds")
            print(f"  {name:14}{seconds:8.2f} s  {size / 1e6 / seconds:6.0f} MB/s")
        print(f"  extract, which syncs, has {ratio(curls, fetches, 'seconds'):.2f} of the speed of curl, ")
        print(f"  {ratio(durable, fetches, 'seconds'):.2f} of the speed of curl and sync,", end="")
        print(f" peak memory {median(fetches, 'peak_mb'):.0f} MB")

    @staticmethod
    def forget(file):
        """Remove a file, so that nobody else pays for writing it to the disk; its size."""
        size = file.stat().st_size
        file.unlink()
        os.sync()
        return size

    def timed(self, words):
        begin = time.perf_counter()
        command(words, self.folder)
        return {"seconds": time.perf_counter() - begin}


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
