"""What a project of airflow-etl-template runs on laptops and against its cluster; `airflow-etl` is the way in."""

VERSION = "2.0.0"
