"""Start a run on the cluster: `make trigger DAG=extract CONF='{"partition": "2018-02-01"}'`.

Of a DAG that is paused, as every new one is, a run would wait without a word: with UNPAUSE=yes, or a yes at
the prompt, it is turned on first, with UNPAUSE=all every DAG; UNPAUSE=no queues the run all the same.
"""

import os
import sys
from contextlib import suppress

from etl_tools.cluster.doctor.cluster import DAGS, airflow_table, is_true
from etl_tools.cluster.kubectl import ClusterError, asked, in_pod, show_cluster


def airflow(*words: str) -> None:
    print(in_pod("deployment/api-server", 'airflow dags "$@"', *words, timeout=180), end="", flush=True)


def trigger() -> None:
    """Start the run, if need be after turning the DAG on; ClusterError if it would never begin."""
    name, conf, answer = (os.environ.get(key, "") for key in ("DAG", "CONF", "UNPAUSE"))
    if not name:
        raise ClusterError("which one? make trigger DAG=extract")
    show_cluster()
    dags = {dag["dag_id"]: dag for dag in airflow_table(DAGS)}
    paused = [id_ for id_, dag in dags.items() if is_true(dag["is_paused"]) and not is_true(dag.get("is_stale"))]
    if is_true(dags.get(name, {}).get("is_stale")):
        raise ClusterError(f"nothing was started: the file of the DAG {name} has gone. Is it pushed? make pod-dags")
    if name in paused and answer not in ("all", "no"):
        question = f"The DAG {name} is paused. Turn it on? Then it runs by its schedule, too (yes): "
        if not answer and sys.stdin.isatty():
            with suppress(EOFError):
                answer = asked(lambda: input(question))
        if answer != "yes":
            words = f"nothing was started: the DAG {name} is paused, and a run would wait until it is on. "
            words += f"To turn it on first: make trigger DAG={name} UNPAUSE=yes (all: every DAG), CONF as before"
            raise ClusterError(words)
    # The one that is started comes last: what it publishes before others are on, they never get.
    for other in sorted(paused, key=lambda other: other == name):
        if answer == "all" or (answer == "yes" and other == name):
            airflow("unpause", other)
    airflow("trigger", name, *(["--conf", conf] if conf else []))
