"""Settings, from environment variables: read whenever Airflow parses a DAG file, so at no cost."""

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

USGS = "https://earthquake.usgs.gov/fdsnws/event/1/query"


@dataclass(frozen=True)
class Settings:
    """What differs between a laptop and a cluster.

    data_root: URL of the folder that all data lies in (ETL_DATA_ROOT; file://, s3://, gs://, abfs://).
    service: URL of the FDSN event service to ask, or None for the bundled sample days
        (ETL_SOURCE: `sample`, `usgs`, or the URL of another service).
    timezone: whose calendar the column local_day follows (ETL_TIMEZONE, an IANA name).
    max_rejected_share: above this share of rejected rows a day is not published (ETL_MAX_REJECTED_SHARE).
    notify: the address that gets a mail when something fails or takes too long, or None (ETL_NOTIFY).
    """

    data_root: str
    service: str | None
    timezone: str
    max_rejected_share: float
    notify: str | None


def load(environ=os.environ) -> Settings:
    """The settings of this process; ValueError says which variable is wrong and what it may be."""
    source = environ.get("ETL_SOURCE", "sample")
    service = {"sample": None, "usgs": USGS}.get(source, source)
    if service is not None and urlsplit(service).scheme not in ("http", "https"):
        raise ValueError(f"ETL_SOURCE is {source!r}: use sample, usgs or the http(s) URL of a service.")
    share = environ.get("ETL_MAX_REJECTED_SHARE", "0.05")
    try:
        max_rejected_share = float(share)
    except ValueError:
        raise ValueError(f"ETL_MAX_REJECTED_SHARE is {share!r}: use a number from 0 to 1.") from None
    return Settings(
        data_root=environ.get("ETL_DATA_ROOT", "<< cookiecutter.data_root >>"),
        service=service,
        timezone=environ.get("ETL_TIMEZONE", "America/Los_Angeles"),
        max_rejected_share=max_rejected_share,
        notify=environ.get("ETL_NOTIFY") or None,
    )
