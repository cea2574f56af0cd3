"""The work behind the DAGs: plain Python, tested without Airflow, imported inside tasks only."""
