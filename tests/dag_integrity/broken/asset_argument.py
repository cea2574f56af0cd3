"""A function under @asset has an argument that is no asset."""

from datetime import timedelta

import pendulum
from airflow.sdk import asset

 
@asset(schedule="@daily", description="An example", tags=["example"])
def asset_argument_raw():
    return 1


@asset(schedule=asset_argument_raw, description="An example", tags=["example"])  # expect: asset-argument
def asset_argument_clean(context, asset_argument_row):
    return context["inlet_events"][asset_argument_row]
# cure: asset_argument_row) => asset_argument_raw)
# cure: asset_argument_row] => asset_argument_raw]
