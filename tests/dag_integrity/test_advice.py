"""What the checks say to write can be written."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from dag_integrity.rules import dags


@pytest.mark.parametrize(
    ("file", "said"),
    [("orders_of_today.py", 'Write dag_id="orders_of_today"'), ("my orders.py", "Rename the file to orders.py")],
)
def test_a_dag_id_that_airflow_takes(file, said):
    policy = SimpleNamespace(dag_id_pattern="{file}")
    source, dag = SimpleNamespace(path=Path("dags") / file), SimpleNamespace(dag_id="orders")
    context = SimpleNamespace(source=source, policy=policy, dag=dag, siblings=1, by_asset=False)
    (found,) = dags._dag_id(context)
    assert said in str(found)
