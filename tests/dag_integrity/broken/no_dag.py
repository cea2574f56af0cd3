"""Helpers for a DAG of airflow."""  # expect: no-dag


def one():
    return 1
