"""A DAG that nobody makes."""

from airflow.sdk import dag


@dag(dag_id="no_dag_never_made", schedule=None)  # expect: no-dag
def no_dag_never_made():
    pass
