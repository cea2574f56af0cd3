"""The two datasets under data_root, and how to read them."""

from << cookiecutter.__package >>.errors import NoSuchDay
from << cookiecutter.__package >>.partition import Partition
from << cookiecutter.__package >>.settings import Settings
from << cookiecutter.__package >>.store import Store

DATASET = "earthquakes"
READS = 5  # attempts; a day may be published anew while it is read


def raw(settings: Settings, day: str) -> Partition:
    """raw/: what the service sent for the day, one CSV file a slice."""
    return Partition(Store(settings.data_root), DATASET, day, ("raw",))


def clean(settings: Settings, day: str) -> Partition:
    """clean/ and set_apart/: Parquet; rejected/: JSON lines with file, line, reason and the row as it was;
    summary/: the day at a glance, as JSON and as a page."""
    return Partition(Store(settings.data_root), DATASET, day, ("clean", "set_apart", "rejected", "summary"))


def events(settings: Settings, day: str, folder: str = "clean"):
    """The day's events as a pandas DataFrame (columns: contract.py), whole even while a run replaces them.

    folder: `clean`, or `set_apart` for what is no earthquake. NoSuchDay when the day was never published.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from << cookiecutter.__package >>.cleaning import SCHEMA, to_frame

    partition = clean(settings, day)
    for attempt in range(READS):
        manifest = partition.manifest()
        if manifest is None:
            raise NoSuchDay(f"{day} is not in {settings.data_root}: run extract and transform for it first.")
        tables = [SCHEMA.empty_table()]
        try:
            for entry in manifest["files"]:
                if entry["folder"] == folder:
                    with partition.store.open(partition.path(entry)) as file:
                        tables.append(pq.read_table(file))
        except FileNotFoundError:
            if attempt == READS - 1:
                raise
            continue
        return to_frame(pa.concat_tables(tables))
