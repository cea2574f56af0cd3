"""Time the DAG checks on generated DAG folders, beside what Airflow itself costs on the same files in the same run.

    .venv/bin/python benchmarks/integrity.py [--files 1000] [--runs 3] [--curve 10,30,100,300,1000,3000]

Bakes and installs the default project, fills its DAG folder with DAG files of five kinds, and prints medians in
seconds and the ratios, taken round by round: all commands run in turn, so that a machine's mood hits all of them.

`bare` is the least that any check of this kind costs: Airflow imported once, then two forked workers that parse each
file as the DAG processor does and serialize its DAGs. Memory is the largest sum over all processes of a run, pages
that processes share counted once (Linux).
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

TEMPLATE = Path(__file__).resolve().parents[1]

HEAD = '''"""DAG {name} of shop {shop}: generated for the benchmark."""

from datetime import timedelta

import pendulum
from airflow.sdk import Asset, DAG, Param, TaskGroup, dag, task
from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.empty import EmptyOperator

ARGUMENTS = dict(
    dag_id="{name}",
    description="Orders of shop {shop}",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2),
    default_args={{"owner": "data-team", "retries": 2, "retry_delay": timedelta(minutes=5)}},
    tags=["orders"],
    doc_md=__doc__,
)
'''

KINDS = {
    "operators": """
with DAG(schedule="{minute} 4 * * *", catchup=False, **ARGUMENTS):
    start, end = EmptyOperator(task_id="start"), EmptyOperator(task_id="end")
    fetch = BashOperator(task_id="fetch", bash_command="echo fetch {{{{ ds }}}} {shop}")
    check = BashOperator(task_id="check", bash_command="test -s /data/{shop}/{{{{ ds }}}}.csv")
    load = BashOperator(task_id="load", bash_command="echo load", env={{"DAY": "{{{{ data_interval_end | ds }}}}"}})
    start >> fetch >> check >> load >> end
""",
    "taskflow": """
@dag(
    schedule="{minute} * * * *",
    catchup=False,
    params={{"limit": Param(100, type="integer", minimum=1), "day": Param(None, type=["null", "string"])}},
    **ARGUMENTS,
)
def orders():
    @task
    def parts() -> list[str]:
        return ["north", "south"]

    @task(max_active_tis_per_dagrun=4, map_index_template="{{{{ part }}}}")
    def load(part: str) -> int:
        import pandas as pd

        return len(pd.DataFrame({{"part": [part]}}))

    @task(outlets=[Asset("orders_{number}")])
    def publish(rows):
        print(sum(rows))

    publish(load.expand(part=parts()))


orders()
""",
    "asset": """
with DAG(schedule=[Asset("orders_{before}")], **ARGUMENTS):

    @task
    def read() -> dict:
        return {{"rows": 1}}

    @task(execution_timeout=timedelta(minutes=10))
    def report(counts: dict) -> None:
        print(counts)

    report(read()) >> BashOperator(task_id="say", bash_command="echo {{{{ run_id }}}}")
""",
    "groups": """
from bench_helpers.tables import TABLES, command

with DAG(schedule="@daily", catchup=False, **ARGUMENTS):
    done = EmptyOperator(task_id="done")
    for table in TABLES:
        with TaskGroup(group_id=table) as group:
            copy = BashOperator(task_id="copy", bash_command=command(table, "{shop}"))
            copy >> BashOperator(task_id="count", bash_command="wc -l /data/{shop}/" + table)
        group >> done
""",
    "branch": """
@dag(schedule=timedelta(hours=6), catchup=False, params={{"full": Param(False, type="boolean")}}, **ARGUMENTS)
def orders():
    @task.branch
    def which(**context) -> str:
        return "full" if context["params"]["full"] else "part"

    assert {{"full", "part"}}
    which() >> [
        BashOperator(task_id="full", bash_command="echo {{{{ params.full }}}} {{{{ ti.try_number }}}}"),
        BashOperator(task_id="part", bash_command="echo {{{{ macros.ds_add(ds, -7) }}}}"),
    ]


orders()
""",
}

HELPER = '''"""What the generated DAG files share."""

# A set, as many helpers have one.
TABLES = sorted({"customers", "items", "orders"})


def command(table, shop):
    return f"cp /source/{shop}/{table} /data/{shop}/{table}"
'''

BARE = """
import gc, os, sys
from airflow.dag_processing.importers import get_importer_registry
from airflow.serialization.serialized_objects import DagSerialization
sys.path.append(sys.argv[1])
registry = get_importer_registry()
files = sorted(registry.list_dag_files(sys.argv[1]))
importer = registry.get_importer("dag.py")
gc.collect()
gc.freeze()
workers = []
for number in range(2):
    worker = os.fork()
    if worker == 0:
        for file in files[number::2]:
            for dag in importer.import_file(file).dags:
                DagSerialization.to_dict(dag)
        os._exit(0)
    workers.append(worker)
sys.exit(max(os.waitpid(worker, 0)[1] for worker in workers))
"""

IMPORT = "from airflow.dag_processing.dagbag import DagBag"


def write_dags(folder, count):
    """Fill the folder with `count` DAG files."""
    shutil.rmtree(folder, ignore_errors=True)
    helpers = folder / "bench_helpers"
    helpers.mkdir(parents=True)
    (helpers / "__init__.py").write_text('"""Helpers."""\n')
    (helpers / "tables.py").write_text(HELPER)
    (folder / ".airflowignore").write_text("bench_helpers/\n")
    for number in range(count):
        kind = list(KINDS)[number % len(KINDS)]
        name = f"{kind}_{number:04}"
        words = {"name": name, "number": number, "before": number - 1, "shop": f"s{number:04}", "minute": number % 60}
        (folder / f"{name}.py").write_text((HEAD + KINDS[kind]).format(**words))


class Project:
    """The baked project whose checks are measured."""

    def __init__(self, path):
        self.path = path
        self.dags = path / "dags"
        self.python = path / ".venv" / "bin" / "python"
        others = ("AIRFLOW", "PYTEST", "CI", "PYTHON")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(others)}
        self.environment |= {"AIRFLOW_HOME": str(path / ".airflow"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}

    def seconds(self, *arguments, memory=None):
        """Run Python in the project, return its wall time in seconds; note the peak in MB in the list `memory`."""
        command = [self.python, *map(str, arguments)]
        begin = time.perf_counter()
        with tempfile.TemporaryFile("w+") as output:
            process = subprocess.Popen(
                command, cwd=self.path, env=self.environment, stdout=output, stderr=subprocess.STDOUT
            )
            if memory is not None:
                memory.append(0.0)
                threading.Thread(target=watch, args=(process, memory)).start()
            if process.wait():
                output.seek(0)
                sys.exit(f"{command} ended with {process.returncode}:\n{output.read()[-3000:]}")
        return time.perf_counter() - begin

    def forget(self):
        """Forget all bytecode of the DAG files."""
        for cache in self.dags.rglob("__pycache__"):
            shutil.rmtree(cache)

    def bare(self):
        self.forget()
        return self.seconds("-c", BARE, self.dags)

    def suite(self, **options):
        """The whole suite as `make test` runs it, in pytest."""
        return self.seconds("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_dag_integrity.py", **options)

    def cold_suite(self, **options):
        self.forget()
        return self.suite(**options)


def watch(process, memory):
    """Keep the largest sum of the processes' proportional set sizes in memory[0]."""
    while process.poll() is None:
        memory[0] = max(memory[0], sum(map(proportional_size, family(process.pid))) / 1024)
        time.sleep(0.3)


def family(pid):
    """The process and all its descendants."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(member for child in children for member in family(int(child)))]


def proportional_size(pid):
    """The kB of a process, each shared page divided among those that share it."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    except OSError:
        return 0


def rounds(number, *measures):
    """Run the measures in turn, `number` times after a first time that only warms up; return a list for each."""
    results = [[] for _ in measures]
    for turn in range(number + 1):
        for measure, result in zip(measures, results, strict=True):
            value = measure()
            if turn:
                result.append(value)
    return results


def ratio(over, under):
    return statistics.median(a / b for a, b in zip(over, under, strict=True))


def line(text, values, *rest):
    print(f"{text:<52}{statistics.median(values):7.2f} s  {' '.join(rest)}", flush=True)


def measure_many(project, files, runs):
    """The whole suite, cold, beside the bare parse."""
    write_dags(project.dags, files)
    bare, cold = rounds(runs, project.bare, project.cold_suite)
    line(f"bare: two workers parse and serialize {files:,} files", bare)
    line(f"the suite, all rules, {files:,} files, cold", cold, f"{ratio(cold, bare):.2f} times bare (aim: 2)")

    memory = []
    project.cold_suite(memory=memory)
    print(f"{'peak memory of the whole suite, cold':<52}{memory[0]:7.0f} MB (aim: 400)")


def measure_few(project, runs):
    """Ten DAGs, cold, beside the import of Airflow."""
    write_dags(project.dags, 10)
    imports, ten = rounds(
        runs,
        lambda: project.seconds("-c", IMPORT),
        lambda: project.seconds("-m", "dag_integrity"),
    )
    line("importing Airflow", imports)
    line("make integrity, 10 DAGs", ten, f"{ratio(ten, imports):.2f} times that (aim: 1.5)")


def measure_curve(project, sizes):
    """The suite's time from few files to many, drawn."""
    print("\n  files   suite s   bare s   ratio   ms per file")
    results = []
    for size in sizes:
        write_dags(project.dags, size)
        bare, cold = rounds(1, project.bare, project.cold_suite)
        results.append((size, cold[0]))
        print(
            f"{size:7,} {cold[0]:9.2f} {bare[0]:8.2f} {cold[0] / bare[0]:7.2f} {cold[0] / size * 1000:13.1f}",
            flush=True,
        )
    longest = max(value for _, value in results)
    print()
    for size, value in results:
        print(f"{size:7,} | {'█' * round(value / longest * 60)} {value:.1f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--curve", default="10,30,100,300,1000,3000", help="numbers of files, or an empty text")
    parser.add_argument("--project", type=Path, help="an installed project to use; its DAG folder is overwritten")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.project
        if path is None:
            bake = [sys.executable, "-m", "cookiecutter", "--no-input", "-o", folder, str(TEMPLATE)]
            subprocess.run(bake, check=True, stdout=subprocess.DEVNULL)
            path = Path(folder) / "my-etl"
            subprocess.run(["make", "--silent", "install"], cwd=path, check=True)
        project = Project(path.resolve())
        measure_many(project, options.files, options.runs)
        measure_few(project, options.runs)
        if options.curve:
            measure_curve(project, [int(size) for size in options.curve.split(",")])


if __name__ == "__main__":
    main()
