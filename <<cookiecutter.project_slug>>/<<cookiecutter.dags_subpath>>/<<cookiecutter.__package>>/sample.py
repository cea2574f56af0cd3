"""The bundled sample days, served the way the live service serves them. See sample/README.md."""

from datetime import datetime
from pathlib import Path

from << cookiecutter.__package >>.errors import NoSuchDay

FOLDER = Path(__file__).parent / "sample"


def days() -> list[str]:
    """The days that the sample has, oldest first."""
    return sorted(path.stem for path in FOLDER.glob("*.csv"))


def require(day: str) -> None:
    """Raise NoSuchDay, with the days there are, for a day that the sample lacks."""
    if day not in days():
        raise NoSuchDay(
            f"The bundled sample has no {day}, only {', '.join(days())}. "
            "For any other day set ETL_SOURCE=usgs, the live service."
        )


def copy(start: datetime, end: datetime, sink) -> int:
    """Write the sample's events of [start, end) to `sink`, header first; return how many."""
    header, *lines = (FOLDER / f"{start.date()}.csv").read_bytes().splitlines(keepends=True)
    chosen = [line for line in lines if start <= _time(line) < end]
    sink.write(header + b"".join(chosen))
    return len(chosen)


def _time(line: bytes) -> datetime:
    return datetime.fromisoformat(line.split(b",", 1)[0].decode().replace("Z", "+00:00"))
