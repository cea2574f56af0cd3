"""Where DAG files are parsed: the only part that imports Airflow."""
