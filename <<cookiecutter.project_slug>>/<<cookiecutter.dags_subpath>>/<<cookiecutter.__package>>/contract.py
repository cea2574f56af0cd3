"""The contract: every column of an earthquake catalogue file, its type, unit and range, in this one place.

Enforced on every row that comes in (see cleaning.py), asserted on every file that goes out, and carried by
the Parquet files as metadata. https://earthquake.usgs.gov/data/comcat/#event-terms explains the terms.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """type: timestamp (UTC, ms), number, integer or text. low and high are included in the range."""

    name: str
    type: str
    unit: str
    meaning: str
    nullable: bool = True
    low: float | None = None
    high: float | None = None


COLUMNS = (
    Column("time", "timestamp", "UTC", "origin time; lies in the partition's day", nullable=False),
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
    Column("updated", "timestamp", "UTC", "last change; the newest record of an id counts", nullable=False),
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
COLUMN_NAMES = tuple(column.name for column in COLUMNS)

# What the transform adds.
DERIVED = (
    Column("magnitude_class", "text", "", "micro, minor, light, moderate, strong, major or great"),
    Column("depth_class", "text", "", "shallow (below 70 km), intermediate (below 300 km) or deep"),
    Column("local_day", "date", "", "calendar day of the origin time in ETL_TIMEZONE", nullable=False),
)

MAX_TEXT = 1_000  # characters; no column holds prose
UPDATED_RANGE = ("1900-01-01", "2200-01-01")
EVENT_TYPE = "earthquake"  # other types are set apart


def arrow_schema(columns=COLUMNS + DERIVED):
    """The pyarrow schema of the clean files; units and meanings lie in each field's metadata."""
    import pyarrow as pa

    types = {
        "timestamp": pa.timestamp("ms", tz="UTC"),
        "number": pa.float64(),
        "integer": pa.int32(),
        "text": pa.string(),
        "date": pa.date32(),
    }
    return pa.schema(
        [
            pa.field(c.name, types[c.type], c.nullable, metadata={"unit": c.unit, "description": c.meaning})
            for c in columns
        ]
    )
