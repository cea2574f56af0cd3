"""Old days on the cluster: `make backfill DAG=extract FROM=2018-02-01 TO=2018-02-28 CLUSTER=yes`, and make rebuild.

backfill has Airflow fetch the days that have no run, or one that failed; rebuild runs a DAG again for all of
them, from the raw rows that are kept. Both show how many are done, and name those that failed. Ctrl-C ends the
showing; the runs go on.
"""

import os
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from etl_tools.cluster.api import Api, connected
from etl_tools.cluster.kubectl import ClusterError, show_cluster
from etl_tools.local import periods

SECONDS = 5.0  # between two looks
AT_ONCE = 4  # runs of a backfill
OVER = ("success", "failed")


def the_keys(dag: dict[str, Any], first: str, last: str) -> list[str]:
    """The partitions of the DAG from FROM to TO, as `make run` has them."""
    (begin, _), (_, end) = periods.begin_and_end(first), periods.begin_and_end(last)
    if end <= begin:
        raise ClusterError(f"FROM={first} is after TO={last}.")
    return periods.keys(begin, end, the_period(dag))


def the_period(dag: dict[str, Any]) -> str:
    param = (dag["params"] or {}).get(periods.PARAM)
    if not param:
        raise ClusterError(f"the DAG {dag['dag_id']} has no partitions: make trigger DAG={dag['dag_id']}")
    return str(param.get("schema", {}).get("period", "day"))


def place(dag_id: str) -> str:
    return f"/api/v2/dags/{quote(dag_id, safe='')}"


def the_dag(api: Api, name: str) -> dict[str, Any]:
    """What Airflow knows of the DAG; it is on, or may be turned on, or ClusterError says how."""
    dag: dict[str, Any] = api.ask("GET", f"{place(name)}/details")
    if dag["is_paused"] and os.environ.get("UNPAUSE") != "yes":
        words = f"nothing was started: the DAG {name} is paused, and its runs would wait. "
        raise ClusterError(f"{words}To turn it on first, by its schedule too: UNPAUSE=yes")
    return dag


def turn_on(api: Api, dag: dict[str, Any]) -> None:
    if dag["is_paused"]:
        api.ask("PATCH", place(dag["dag_id"]), {"is_paused": False})


def backfill(api: Api, dag: dict[str, Any], keys: list[str]) -> list[str]:
    """Have Airflow fill the days up; the keys that have a run now. ClusterError where one would get none."""
    name = dag["dag_id"]
    if dag["asset_expression"]:
        raise ClusterError(f"{name} runs when others have: make rebuild DAG={name} FROM=… TO=…")
    if not (dag["timetable_periodic"] and dag["timetable_partitioned"]):
        words = f"the schedule of {name} ({dag['timetable_summary']}) has no partitions for Airflow to fill up"
        raise ClusterError(f"{words}: give it schedule=tasks.every(…), or make trigger DAG={name} for each")
    moments = {"from_date": f"{moment(keys[0])}Z", "to_date": f"{moment(keys[-1])}Z"}
    body = {"dag_id": name, **moments, "reprocess_behavior": "failed", "max_active_runs": AT_ONCE}
    planned = api.ask("POST", "/api/v2/backfills/dry_run", body)["backfills"]
    new = [one["partition_key"] for one in planned]
    there = {} if new == keys else states(api, name, keys)
    if problem := hindrance(dag, [key for key in keys if key in new or key not in there], planned):
        raise ClusterError(f"nothing was started: {problem}")
    done = [key for key in keys if key not in new and there[key] in OVER]
    if done:
        print(f"{len(done)} of {len(keys)} are there already (make rebuild makes them again).", flush=True)
    if busy := len(keys) - len(new) - len(done):
        print(f"{busy} of {len(keys)} have a run that is not over yet: Airflow's UI shows it.", flush=True)
    if new:
        turn_on(api, dag)
        api.ask("POST", "/api/v2/backfills", body)
    return new


def hindrance(dag: dict[str, Any], missing: list[str], planned: list[dict[str, Any]]) -> str:
    """What keeps Airflow's plan from being these days, of which no run is there, or was good; or nothing."""
    new = [one["partition_key"] for one in planned]
    if missing != new:
        wanted = ", ".join(missing[:3]) + ", …" * (len(missing) > 3)
        words = f"for {wanted} Airflow would run {', '.join(new[:3]) or 'none'}"
        words += f", as the schedule of {dag['dag_id']} ({dag['timetable_summary']}) says"
        return f"{words}. Give tasks.every(…) and tasks.params(…) in its file the same period"
    # Airflow takes those that are to come, too, and their runs wait for them.
    early = [key for key, one in zip(new, planned, strict=True) if not is_over(one, the_period(dag))]
    return f"{early[0]} is not over yet. Choose an earlier TO" if early else ""


def states(api: Api, name: str, keys: list[str]) -> dict[str, str]:
    """The state of the DAG's newest run for each of the keys, as a backfill goes by it."""
    span = {"partition_date_gte": moment(keys[0])[:10], "partition_date_lte": moment(keys[-1])[:10]}
    runs = api.rows(f"{place(name)}/dagRuns", "dag_runs", order_by="id", **span)
    runs.sort(key=lambda run: run["start_date"] or "")
    return {run["partition_key"]: run["state"] for run in runs}


def is_over(planned: dict[str, Any], period: str) -> bool:
    begin = periods.begin_and_end(planned["partition_key"])[0]
    lasts = periods.following(begin, period) - begin
    return datetime.fromisoformat(planned["partition_date"]) + lasts <= datetime.now(UTC)


def moment(key: str) -> str:
    """Where the key's period begins, by the clock of its zone, which is what Airflow takes the date for."""
    return periods.begin_and_end(key)[0].replace(tzinfo=None).isoformat()


def rebuild(api: Api, dag: dict[str, Any], keys: list[str]) -> list[str]:
    """Start a run for each of the keys, which fetches nothing that is there; their ids."""
    if periods.fetches(dag["params"]):
        raise ClusterError(periods.NO_REBUILD.format(dag["dag_id"]))
    dag_place = place(dag["dag_id"])
    tasks = {task["task_id"] for task in api.ask("GET", f"{dag_place}/tasks")["tasks"]}
    # A DAG that fetches, too, takes what it has fetched.
    conf = {"accept": True} if "extract" in tasks and "accept" in dag["params"] else {}
    turn_on(api, dag)
    bodies = ({"logical_date": None, "partition_key": key, "conf": conf} for key in keys)
    return [api.ask("POST", f"{dag_place}/dagRuns", body)["dag_run_id"] for body in bodies]


def watch(api: Api, dag_id: str, field: str, wanted: dict[str, str], **query: object) -> tuple[list[str], list[str]]:
    """Show how many runs are over until all are; the keys of those that failed, and of those that are not there.

    wanted: what a run has in this field → its key.
    """
    shown = ""
    while True:
        runs = api.rows(f"{place(dag_id)}/dagRuns", "dag_runs", order_by="id", **query)
        state = {run[field]: run["state"] for run in runs if run[field] in wanted}
        done, failed, running = (list(state.values()).count(word) for word in (*OVER, "running"))
        line = f"{done} of {len(wanted)} done, {failed} failed, {running} running"
        if line != shown:
            print(shown := line, flush=True)
        # Airflow makes all of them before it answers: who is not there has been deleted, or will never be.
        if set(state.values()) <= set(OVER):
            bad = sorted(wanted[one] for one, word in state.items() if word == "failed")
            return bad, [key for one, key in wanted.items() if one not in state]
        time.sleep(SECONDS)


def main(what: str) -> None:
    """Start the runs and watch them; ClusterError names those that failed."""
    name, first, last = (os.environ.get(variable, "") for variable in ("DAG", "FROM", "TO"))
    name = name or ("transform" if what == "rebuild" else "")
    if not (name and first and last):
        example = f"make {what} DAG=extract FROM=2018-02-01 TO=2018-02-28 CLUSTER=yes"
        raise ClusterError(f"which days of which DAG? {example}")
    show_cluster()
    with connected() as api:
        dag = the_dag(api, name)
        keys = the_keys(dag, first, last)
        if what == "backfill":
            new = backfill(api, dag, keys)
            field, wanted, query = "partition_key", dict(zip(new, new, strict=True)), {"run_type": "backfill"}
        else:
            field, wanted, query = "dag_run_id", dict(zip(rebuild(api, dag, keys), keys, strict=True)), {}
        failed, gone = watch(api, name, field, wanted, **query) if wanted else ([], [])
    problems = []
    for some, words in (
        (failed, "failed: {}. Airflow's UI has their logs: make ui-forward"),
        (gone, "have no run any more: {}. Somebody deleted it, or Airflow made none; start them again"),
    ):
        if some:
            shown = ", ".join(some[:5]) + ", …" * (len(some) > 5)
            problems.append(f"{len(some)} of {len(keys)} {words.format(shown)}")
    if problems:
        raise ClusterError("; ".join(problems))


def backfill_days() -> None:
    """make backfill CLUSTER=yes."""
    main("backfill")


def rebuild_days() -> None:
    """make rebuild CLUSTER=yes."""
    main("rebuild")
