"""A DAG from airflow that no Python can read."""

with DAG(dag_id="x") as dag  # expect: import-error
    pass
