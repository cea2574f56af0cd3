"""An asset by decorator, which takes no owner, no retries and no start date."""

from airflow.sdk import asset


@asset(schedule="@daily", description="An example", tags=["example"])
def good_asset_decorator():
    return 1
