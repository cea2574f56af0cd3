"""An ignore pattern that is too wide hides it."""  # expect: hidden-dag

from airflow.sdk import DAG

with DAG(dag_id="hidden_dag", schedule=None):
    pass
