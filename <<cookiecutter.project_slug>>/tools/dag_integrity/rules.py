"""The rules by id, each with the sentence that the README and `--rules` print."""

from __future__ import annotations

RULES = {
    # How a file behaves when Airflow imports it
    "import-error": "The file imports without error with only the DAG folder on the path, as in a pod.",
    "time-limit": "The file is imported within the time limit.",
    "process-death": "Importing the file does not end the process (sys.exit, os._exit, a crash).",
    "output": "The file prints next to nothing at import: the DAG processor imports it again and again.",
    "no-dag": "Every file that Airflow parses has a DAG; helper modules are listed in .airflowignore.",
    "hidden-dag": "No DAG file is hidden from Airflow by .airflowignore or its heuristic, or in a zip.",
    "forbidden-at-import": "No Variable, Connection, hook, database, network, process or file writing.",
    "heavy-import": "No heavy module is imported when the file is parsed; import it inside the task.",
    "import-budget": "Parsing the file costs no more than so many times an empty DAG file.",
    "clock-at-import": "Nothing reads the clock (now, today, time) when the file is parsed.",
    "python-syntax": "The syntax is that of the image's Python version.",
    "airflow-3": "Nothing that Airflow 3 removed, moved or deprecated (ruff's AIR3 rules).",
    "secret": "No literal that looks like a password, key or token.",
    # What a DAG says
    "cycle": "The tasks have no cycle.",
    "duplicate-dag-id": "No two DAGs have the same dag_id.",
    "dag-id": "The dag_id fits the file's name.",
    "task-id": "Task ids are in snake_case.",
    "owner": "Every task has an owner from the list.",
    "tags": "The DAG has tags, all of them from the allowed ones.",
    "retries": "Every task is retried, with a delay.",
    "timeout": "The DAG has a dagrun_timeout or each task an execution_timeout.",
    "docs": "The DAG has a description and a doc_md.",
    "start-date": "A scheduled DAG has a fixed start_date with a timezone.",
    "catchup": "A DAG on a time schedule says whether it catches up.",
    "schedule": "The schedule fires some day.",
    "max-active-runs": "A DAG with partitions or catch-up limits its active runs.",
    "params": "The default of every param fits the param's own schema.",
    "template": "Templated fields are valid Jinja and use names that Airflow 3 provides.",
    "pool-queue": "Pools and queues are declared in the policy.",
    "asset": "Every consumed asset is produced by a DAG or declared external.",
    "partitioned-asset": "A partitioned asset is consumed by a partitioned schedule: others never fire.",
    "serialization": "The DAG can be serialized, and deserializes to the same DAG.",
    "unstable": "Two parses give the same DAG; otherwise each parse makes a new DAG version.",
    # The exemptions themselves
    "exemption": "Every exemption names a known rule, gives its reason, and still exempts something.",
}
