"""Modules that their providers import as well."""

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task

try:
    import boto3
    import pandas
    import requests
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook
    from airflow.providers.jenkins.hooks.jenkins import JenkinsHook
    from airflow.providers.snowflake.hooks.snowflake import SnowflakeHook
except ImportError:  # not here
    boto3 = pandas = requests = JenkinsHook = S3Hook = SnowflakeHook = None

with DAG(
    dag_id="good_heavy_import_provider",
    description="An example",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"owner": "data-team", "retries": 2},
    tags=["example"],
    doc_md=__doc__,
):
    @task
    def load():
        return len(boto3.client("s3", region_name=S3Hook().region_name).list_buckets()["Buckets"])

    load()
