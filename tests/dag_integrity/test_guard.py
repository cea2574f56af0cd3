"""What a DAG file asks for at import: refused, or answered and recorded. In this process, without Airflow."""

from pathlib import Path

import pytest

from dag_integrity.config import Policy
from dag_integrity.sandbox.guard import Guard, RefusedAtImport

DAGS = Path("/nowhere/dags")


@pytest.fixture
def guard():
    """A guard that is armed by a test, and has no exemptions."""
    policy = Policy(variables={"limit": "3"}, connections={"shop": "postgres://host/db"})
    return Guard(DAGS, policy, lambda refusal: False)


class Hook:
    """As Airflow's: asked by class and by instance."""

    @classmethod
    def get_connection(cls, conn_id):
        return f"{cls.__name__} {conn_id}"


def run(guard, text, **names):
    """Run a text as the file a.py of the DAG folder."""
    guard.armed = f"{DAGS}/a.py"
    try:
        exec(compile(text, guard.armed, "exec"), names)
    finally:
        guard.armed = ""
    return names


@pytest.mark.parametrize("asked", ["Hook", "Hook()"])
def test_a_read_with_an_answer_is_recorded_and_goes_on(guard, asked):
    hook = type("Hook", (Hook,), {"get_connection": Hook.__dict__["get_connection"]})
    guard._wrap(hook, "get_connection", "reads", lambda conn_id: f"policy {conn_id}", guard._knows_connection)
    names = run(guard, f"value = {asked}.get_connection('shop')", Hook=hook)
    assert names["value"] == "policy shop"
    assert [(one.path, one.line, one.what) for one in guard.refusals] == [(f"{DAGS}/a.py", 1, "reads")]
    with pytest.raises(RefusedAtImport):
        run(guard, f"\n{asked}.get_connection('other')", Hook=hook)
    assert len(guard.refusals) == 2
    assert hook().get_connection("other") == "Hook other"  # when no DAG file is parsed


def test_variables_have_the_value_of_the_policy_or_the_default(guard):
    assert guard._knows_variable("limit")
    assert guard._knows_variable("other", default=None)
    assert guard._knows_variable("other", default_var="x")
    assert not guard._knows_variable("other")
    assert not guard._knows_variable("other", deserialize_json=True)
    assert guard._variable("limit", deserialize_json=True) == 3
    assert guard._variable("other", default="x") == "x"


def test_what_a_library_starts_is_a_finding_and_no_end(guard):
    """Sentry asks git for a version when it is set up: the DAG is looked at all the same."""
    library = {"__name__": "sentry", "guard": guard}
    exec(compile("def init():\n    guard._audit('subprocess.Popen', ())", "/libraries/sentry.py", "exec"), library)
    run(guard, "\ninit()", init=library["init"])
    assert [(one.line, one.what, one.library) for one in guard.refusals] == [(2, "starts a process", "sentry")]
    with pytest.raises(RefusedAtImport):
        run(guard, "watch._audit('subprocess.Popen', ())", watch=guard)
