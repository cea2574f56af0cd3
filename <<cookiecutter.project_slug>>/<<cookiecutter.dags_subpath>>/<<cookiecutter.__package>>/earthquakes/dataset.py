"""The earthquakes: columns and cleaning. https://earthquake.usgs.gov/data/comcat/#event-terms has the terms.

ETL_TIMEZONE: whose calendar the column local_day follows (an IANA name).
"""

import os

from << cookiecutter.__package >>.datasets import Column, Dataset
from << cookiecutter.__package >>.earthquakes import source

COLUMNS = (
    Column("time", "timestamp", "UTC", "origin time", nullable=False),
    Column("latitude", "number", "degrees north", "epicentre", nullable=False, low=-90, high=90),
    Column("longitude", "number", "degrees east", "epicentre", nullable=False, low=-180, high=180),
    Column("depth", "number", "km", "below the surface; negative above sea level", low=-100, high=1000),
    Column("mag", "number", "1", "magnitude", low=-5, high=10),
    Column("magType", "text", "", "method of the magnitude"),
    Column("nst", "integer", "1", "stations used for the location", low=0, high=100_000),
    Column("gap", "number", "degrees", "largest azimuthal gap between stations", low=0, high=360),
    Column("dmin", "number", "degrees", "distance to the nearest station", low=0, high=180),
    Column("rms", "number", "s", "root mean square travel time residual", low=0, high=1_000),
    Column("net", "text", "", "network that contributed the event", nullable=False),
    Column("id", "text", "", "identifier of the event", nullable=False),
    Column("updated", "timestamp", "UTC", "last change", nullable=False),
    Column("place", "text", "", "nearest named place"),
    Column("type", "text", "", "earthquake, quarry blast, explosion, ...", nullable=False),
    Column("horizontalError", "number", "km", "uncertainty of the location", low=0, high=100_000),
    Column("depthError", "number", "km", "uncertainty of the depth", low=0, high=100_000),
    Column("magError", "number", "1", "uncertainty of the magnitude", low=0, high=100),
    Column("magNst", "integer", "1", "stations used for the magnitude", low=0, high=100_000),
    Column("status", "text", "", "automatic or reviewed", nullable=False),
    Column("locationSource", "text", "", "network that made the location"),
    Column("magSource", "text", "", "network that made the magnitude"),
)
DERIVED = (
    Column("magnitude_class", "text", "", "micro, minor, light, moderate, strong, major or great"),
    Column("depth_class", "text", "", "shallow (below 70 km), intermediate (below 300 km) or deep"),
    Column("local_day", "date", "", "calendar day of the origin time in ETL_TIMEZONE", nullable=False),
)

# Where each class ends; that number belongs to the next one.
MAGNITUDES = {"micro": 3, "minor": 4, "light": 5, "moderate": 6, "strong": 7, "major": 8, "great": None}
DEPTHS = {"shallow": 70, "intermediate": 300, "deep": None}  # km
TIMEZONE = os.environ.get("ETL_TIMEZONE", "America/Los_Angeles")


def fetch(start, end, sink):
    """Write the events of [start, end) to `sink` as CSV; an answer without these columns is not taken."""
    source.fetch(start, end, sink, check=EARTHQUAKES.header)


def clean(events):
    """Add the derived columns to a DataFrame of events; a class is missing where its number is."""
    events["magnitude_class"] = classify(events["mag"], MAGNITUDES)
    events["depth_class"] = classify(events["depth"], DEPTHS)
    events["local_day"] = events["time"].dt.tz_convert(TIMEZONE).dt.tz_localize(None).dt.floor("D")
    return events


def classify(numbers, classes):
    """The name of each number's class; `classes` has the upper end of each, which belongs to the next one."""
    import pandas as pd  # here, for fetching needs none of it

    edges = [float("-inf"), *list(classes.values())[:-1], float("inf")]
    return pd.cut(numbers, edges, labels=list(classes), right=False)


def is_no_earthquake(events):
    """A quarry blast, an explosion, ..."""
    return events["type"] != "earthquake"


EARTHQUAKES = Dataset(
    "earthquakes",
    columns=COLUMNS,
    fetch=fetch,
    clean=clean,
    derived=DERIVED,
    kind="events",
    refetch=(7,),  # days: by then most events are reviewed
    set_apart=is_no_earthquake,
    key="id",
    newest="updated",
    time="time",
)
