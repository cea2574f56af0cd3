"""Checks that no DAG file of this repository can break, slow down or surprise the scheduler.

`make integrity` runs everything, `make dags` prints the DAGs as a table, `make test` runs it as pytest tests.
The policy stands in `[tool.dag-integrity]` of pyproject.toml, the rules in `rules.py`.

How it works: Airflow is imported once, worker processes are forked from that, and each DAG file is parsed in
one of them as in a pod (only the DAG folder on the path, nothing else of this repository), then once more in
a second process where whatever may differ between two parses does differ. Files that did not change since the
last run are not parsed again.
"""
