"""Several assets in a file."""

from airflow.sdk import asset


@asset(schedule="@daily", description="An example", tags=["example"])
def north():
    return 1


@asset(schedule=[north], description="An example", tags=["example"])
def south():
    return 1
