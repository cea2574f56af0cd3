"""Settings, from environment variables, read whenever Airflow parses a DAG file; and errors."""

import os
import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path


class Permanent(Exception):
    """A retry cannot fix this: somebody has to change something first."""


class NoSuchDay(Permanent):
    """The day (or hour, week, month) is not there, and will not be."""


@dataclass(frozen=True)
class Settings:
    """What differs between a laptop and a cluster.

    data_root: URL of the folder that has all data (ETL_DATA_ROOT; file://, s3://, gs://, abfs://).
    max_rejected_share: above this share of rejected rows a day is not published (ETL_MAX_REJECTED_SHARE).
    notify: the address that gets a mail when something fails or takes too long, or None (ETL_NOTIFY).
    """

    data_root: str
    max_rejected_share: float
    notify: str | None


def load(environ=os.environ) -> Settings:
    """The settings of this process; ValueError says which variable is wrong and what it may be."""
    share = environ.get("ETL_MAX_REJECTED_SHARE", "0.05")
    try:
        max_rejected_share = float(share)
    except ValueError:
        raise ValueError(f"ETL_MAX_REJECTED_SHARE is {share!r}: use a number from 0 to 1.") from None
    data_root = environ.get("ETL_DATA_ROOT", "<< cookiecutter.data_root >>")
    if "://" not in data_root:
        raise ValueError(f"ETL_DATA_ROOT is {data_root!r}: use a URL, like file:///data or s3://bucket.")
    return Settings(
        data_root=data_root,
        max_rejected_share=max_rejected_share,
        notify=environ.get("ETL_NOTIFY") or None,
    )


@cache
def commit(file: str = __file__) -> str:
    """The commit of these files, with "-dirty" where some are changed; "" where nobody knows it."""
    folder = Path(file).resolve().parent
    for name in folder.parts:  # git-sync and GitDagBundle have it as the name of a folder
        if re.fullmatch("[0-9a-f]{40}", name):
            return name
    command = ["git", "--no-optional-locks", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(  # noqa: S603 (the same words for everybody)
            command, cwd=folder, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "" if done.returncode else done.stdout.strip()
