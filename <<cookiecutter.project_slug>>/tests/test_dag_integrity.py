"""No DAG file breaks, slows down or surprises the scheduler; policy: [tool.dag-integrity] in pyproject.toml.

Each DAG file is a test, named by its path in the DAG folder. With DAG=orders in the environment, only that
DAG is checked.
"""

from dag_integrity.testing import test_dag, test_rest

__all__ = ["test_dag", "test_rest"]
