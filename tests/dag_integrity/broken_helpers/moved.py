"""Imports what Airflow 3 has moved."""

from airflow.operators.dummy_operator import DummyOperator

OPERATOR = DummyOperator  # expect: airflow-3
# cure: airflow.operators.dummy_operator import DummyOperator => airflow.providers.standard.operators.empty import EmptyOperator as DummyOperator
