"""The rules that the checks themselves apply while they parse."""

from __future__ import annotations

from ..model import engine_rule

engine_rule(
    "output", "The file prints next to nothing at import: the DAG processor imports it again and again.",
    "Print inside tasks only", severity="warning",
)  # fmt: skip
engine_rule("task-outside", "Every task is in a DAG.", "Make it in `with DAG(…):`, or give it dag=…")
engine_rule("cycle", "The tasks have no cycle.", "Take one of the arrows (>>) between these tasks out")
engine_rule(
    "serialization", "The DAG can be serialized, and deserializes to the same DAG.",
    "Give operators plain values; timetables and the like come from a plugin",
)  # fmt: skip
engine_rule(
    "import-error", "The file imports without error with only the DAG folder on the path, as in a pod.",
    "Correct it: Airflow shows none of the file's DAGs until then",
)  # fmt: skip
engine_rule("time-limit", "The file is imported within the time limit.", "Move the work into a task")
engine_rule(
    "process-death", "Importing the file does not end the process (sys.exit, os._exit, a crash).",
    "Raise an exception inside a task; a DAG file must not end the process",
)  # fmt: skip
engine_rule(
    "import-budget", "Importing the file takes no longer than the budget, whatever else the machine does.",
    "Move work and imports into tasks", severity="warning",
)  # fmt: skip
engine_rule(
    "unstable", "Two parses give the same DAG; otherwise each parse makes a new DAG version.",
    "Write sorted(…) around sets and listings; leave clock, random and ids to the tasks",
)  # fmt: skip
engine_rule(
    "exemption",
    "Every exemption names a known rule, gives its reason, and exempts something.",
    "Take it out",
    "warning",
)
engine_rule(
    "airflow-3", "Nothing that Airflow 3 removed, moved or deprecated.",
    "Use what airflow.sdk or a provider has in its place", since="3",
)  # fmt: skip
engine_rule("python-syntax", "The syntax is that of the image's Python version.", "Write it in the older syntax")
engine_rule(
    "schedule-unsaid", "A DAG says its schedule: without one Airflow 2 runs it every day, and Airflow 3 never.",
    "Write schedule=None, or when it runs", "warning", house=True,
)  # fmt: skip
engine_rule(
    "late-binding", "A function that a loop makes does not take the loop's variable when it runs.",
    "Give it as an argument, by op_kwargs or functools.partial",
)  # fmt: skip
