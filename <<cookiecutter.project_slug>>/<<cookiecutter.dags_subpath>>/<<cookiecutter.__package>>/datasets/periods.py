"""The periods that data come in (hour, day, week, month), and their keys in names of runs and folders."""

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from .settings import Permanent

# Name → the format of its keys, which sort by time, and the cron expression that fires where one begins.
FORMATS = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d", "week": "%Y-%m-%d", "month": "%Y-%m"}
CRONS = {"hour": "0 * * * *", "day": "0 0 * * *", "week": "0 0 * * 1", "month": "0 0 1 * *"}
LIKE = {
    "hour": "like 2018-02-01T05",
    "day": "like 2018-02-01",
    "week": "by its Monday, like 2018-01-29",
    "month": "like 2018-02",
}
LENGTHS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}


@dataclass(frozen=True)
class Period:
    """A period's name and the zone by whose calendar it begins.

    Hours are those of UTC in any zone: no change of the clocks doubles or skips one.
    """

    name: str = "day"
    zone: str = "UTC"

    @property
    def calendar(self) -> ZoneInfo:
        return ZoneInfo("UTC" if self.name == "hour" else self.zone)

    def bounds(self, key: str) -> tuple[datetime, datetime]:
        """First instant of the period and of the next one, both in UTC; Permanent for what is no key."""
        start = self._read(key)
        # In UTC, for Python counts hours by the clock on the wall, which skips one and has another twice.
        instants = (wall.replace(tzinfo=self.calendar) for wall in (start, self._moved(start, 1)))
        first, end = (instant.astimezone(UTC) for instant in instants)
        return first, end

    def key(self, moment: datetime, later: int = 0) -> str:
        """The key of the period that has this moment, or of one so many periods later."""
        return self._write(self._moved(moment.astimezone(self.calendar).replace(tzinfo=None), later))

    def earlier(self, key: str, periods: int) -> str:
        return self._write(self._moved(self._read(key), -periods))

    @classmethod
    def check(cls, key: str) -> None:
        """Permanent for what is no key of any period."""
        for name in FORMATS:
            with contextlib.suppress(Permanent):
                cls(name)._read(key)
                return
        cls()._read(key)

    def _read(self, key: str) -> datetime:
        try:
            start = datetime.strptime(key, FORMATS[self.name]).replace(tzinfo=UTC)  # by the clock on the wall
        except ValueError:
            start = None
        if start is None or self._write(start) != key:
            article = "an" if self.name == "hour" else "a"
            raise Permanent(f"{key!r} is not {article} {self.name}: write it {LIKE[self.name]}.")
        return start

    def _write(self, wall: datetime) -> str:
        monday = wall - timedelta(days=wall.weekday())
        return (monday if self.name == "week" else wall).strftime(FORMATS[self.name])

    def _moved(self, wall: datetime, periods: int) -> datetime:
        if self.name != "month":
            return wall + periods * LENGTHS[self.name]
        years, month = divmod(wall.month - 1 + periods, 12)
        return wall.replace(year=wall.year + years, month=month + 1, day=1)
