"""What a task needs to know of its run, and how this project's errors look to Airflow."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from << cookiecutter.__package >>.days import day_of
from << cookiecutter.__package >>.errors import NoSuchDay, Permanent, Superseded


@dataclass(frozen=True)
class Run:
    id: str
    day: str
    params: Mapping


@contextlib.contextmanager
def airflow_run(context: Mapping) -> Iterator[Run]:
    """The run of a task's context. What a retry cannot mend fails at once; overtaken work is skipped.

    A scheduled run or a backfill skips a day that the sample lacks; a day asked for by hand fails.
    """
    from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

    run = context["dag_run"]
    try:
        yield Run(run.run_id, day_of(context), context["params"])
    except Superseded as problem:
        raise AirflowSkipException(str(problem)) from problem
    except NoSuchDay as problem:
        if run.run_type != "manual":
            raise AirflowSkipException(str(problem)) from problem
        raise AirflowFailException(str(problem)) from problem
    except Permanent as problem:
        raise AirflowFailException(str(problem)) from problem
    except PermissionError as problem:
        place = os.environ.get("ETL_DATA_ROOT", "The data root")
        raise AirflowFailException(f"{place} refuses access: {problem} Who may write there?") from problem
