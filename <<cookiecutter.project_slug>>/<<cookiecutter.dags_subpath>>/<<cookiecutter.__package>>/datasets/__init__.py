"""What any dataset that comes hour by hour, day by day, … needs. It knows no dataset; yours are beside it.

A dataset is stated once, in a module of its own:

    from << cookiecutter.__package >>.datasets import Column, Dataset, client

    def fetch(start, end):
        query = {"from": start.isoformat(), "to": end.isoformat()}
        yield from client.pages("https://example.com/orders", query, rows="orders", next="next")

    def clean(frame):
        frame["total"] = frame["price"] * frame["pieces"]
        return frame

    COLUMNS = (
        Column("id", "text", nullable=False),
        Column("at", "timestamp", nullable=False),
        Column("price", "number", "EUR", low=0, high=10_000),
        Column("pieces", "integer", low=1, high=1_000),
    )
    TOTAL = Column("total", "number", "EUR")
    ORDERS = Dataset(
        "orders", COLUMNS, fetch, clean, (TOTAL,), kind="events", key="id", time="at", format="jsonl"
    )

tasks.py has what its DAG file needs. Data are below ETL_DATA_ROOT (settings.py), a folder for each period:

    raw/orders/partition_date=2018-02-01/0000-of-0004.….csv, …   as fetched, a file for each slice of the day
    raw/orders/partition_date=2018-02-01/manifest.json           which of them are the day
    clean/orders/columns.parquet                                 the columns of today, without rows
    clean/orders/partition_date=2018-02-01/orders.parquet        the counts are in its metadata
    set_apart/orders/partition_date=2018-02-01/orders.parquet
    rejected/orders/partition_date=2018-02-01/orders.jsonl       file, line, reason, and the row as it was
    failed/orders/partition_date=2018-02-01/orders.jsonl         the same of a run that was not published

Rows read = clean + duplicates + set apart + rejected.
"""

import codecs
import contextlib
import csv
import json
import re
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

from .periods import FORMATS as PERIODS
from .periods import Period as Period
from .settings import NoSuchDay as NoSuchDay
from .settings import Permanent as Permanent
from .settings import load
from .store import Store

TYPES = ("text", "number", "integer", "boolean", "date", "timestamp")
FORMATS = ("csv", "jsonl")
KINDS = ("events", "changes", "snapshot")
MOMENT = datetime(2018, 2, 13, 17, 45, 30, tzinfo=UTC)  # an example that no format can mistake


def _check_zone(name: str, zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, LookupError):
        raise ValueError(f"{name} has zone={zone!r}: use a name like Europe/Berlin.") from None


@dataclass(frozen=True)
class Csv:
    """CSV as the source writes it; what is not stated is as in RFC 4180.

    delimiter, quote: a character each; quote "" when a quote is a character like others.
    encoding: the name that Python has for it, like cp1252 or utf-16.
    decimal, thousands: the marks in numbers, like "," and ".".
    nulls: words that mean that there is no value, in every column but those of text.
    true, false: words of booleans, in small letters.
    names: of all columns, in their order, when there is no header.
    skip: lines before the header (or the first row).
    """

    delimiter: str = ","
    quote: str = '"'
    encoding: str = "utf-8"
    decimal: str = "."
    thousands: str = ""
    nulls: Collection[str] = ()
    true: Collection[str] = ("true", "1")
    false: Collection[str] = ("false", "0")
    names: Collection[str] = ()
    skip: int = 0

    def __post_init__(self):
        for name, least in (("delimiter", 1), ("quote", 0), ("decimal", 1), ("thousands", 0)):
            mark = getattr(self, name)
            ascii = mark.isascii() or name == "thousands"  # it may be a space that does not break
            if not (ascii and least <= len(mark) <= 1) or mark in ("\r", "\n"):
                raise ValueError(f"Csv has {name}={mark!r}: use one character of ASCII.")
        for one, other in (("delimiter", "quote"), ("decimal", "thousands")):
            if getattr(self, one) == getattr(self, other):
                raise ValueError(f"Csv has the same character for {one} and {other}.")
        try:
            codecs.lookup(self.encoding)
        except LookupError:
            raise ValueError(f"Csv has encoding={self.encoding!r}, which Python does not know.") from None


PLAIN = Csv()  # the words and the encoding of JSON lines are those of CSV, too


@dataclass(frozen=True)
class Column:
    """A column, and what its values must keep to; rows that do not are rejected, with the reason.

    type: text, number (a float), integer, boolean, date, or timestamp (kept in UTC).
    nullable: False where every row has a value; else a key that is renamed within a day is no error.
    zone: of timestamps that come without one, like Europe/Berlin. Of the hour that autumn has twice it is the
        first. Not stated, such rows are rejected.
    format: of a timestamp or date that is not written as in ISO, in the words of Python's strptime, like
        "%d.%m.%Y %H:%M". A timestamp needs a zone, too, unless its format has %z.
    digits: of a second's fraction that a timestamp keeps, 3 or 6; more are cut.
    low, high: the range, both ends included; numbers, or ISO texts for timestamp and date (UTC, if without a
        zone).
    longest: the most characters of a text.
    optional: files without this column are read as if it were empty; without any other, the day fails.
    """

    name: str
    type: str
    unit: str = ""
    meaning: str = ""
    nullable: bool = True
    low: float | str | None = None
    high: float | str | None = None
    optional: bool = False
    longest: int = 1_000
    zone: str = ""
    digits: int = 3
    format: str = ""

    def __post_init__(self):
        if self.zone:
            _check_zone(self.name, self.zone)
        if self.format:
            self._check_format()
        if self.digits not in (3, 6):
            raise ValueError(f"{self.name} has digits={self.digits!r}: use 3 or 6.")
        try:
            low, high = (cast(Any, self.limit(each)) for each in (self.low, self.high))
            wrong = low is not None and high is not None and low > high
        except (TypeError, ValueError, AttributeError):
            wrong = True
        if wrong or (self.type in ("text", "boolean") and (self.low, self.high) != (None, None)):
            limits = f"low={self.low!r}, high={self.high!r}"
            raise ValueError(f"{self.name} has {limits}, which is no range of a {self.type}.")

    @property
    def is_time(self) -> bool:
        return self.type in ("timestamp", "date")

    def _check_format(self):
        try:
            day = datetime.strptime(MOMENT.strftime(self.format), self.format).date()  # noqa: DTZ007
        except ValueError:
            day = None
        if not self.is_time or day != MOMENT.date():
            raise ValueError(f"{self.name} has format={self.format!r}, which says no day of a {self.type}.")
        if self.type == "timestamp" and not self.zone and "%z" not in self.format:
            raise ValueError(f"{self.name} has format={self.format!r} without %z: say its zone=, too.")

    def limit(self, value):
        """A limit as the type has it: a number, or a moment."""
        if value is None or not self.is_time:
            return value if value is None else value + 0
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Dataset:
    """What comes period by period: every day, unless it says another one.

    kind: what the source can be asked for.
        events: what happened on a day, at any time later, too: a day that is fetched again is replaced.
        changes: what was changed on a day, as long as it is not changed again.
        snapshot: what there is now, like a price list. fetch() gets no times.
        The past of a snapshot cannot be asked for, nor that of changes again: such a run is refused.
    columns: what the raw files have: every CSV in its header, JSON lines in some row of the day. Others are
        ignored, and their order does not matter.
    fetch: fetch(start, end) yields what the source has from `start` to `end` (excluded): rows as dicts, for
        jsonl, or bytes, as they are. fetch(start, end, sink) writes it to `sink`, a binary file, by itself.
    clean: clean(frame) gets the day's rows and returns as many, with the `derived` columns, each with its
        index; read() says which types the frame has.
    rules: {reason: function}: rows for which function(frame) is true are rejected for that reason. It must
        judge row by row, for the frame may be a part of the day; it may use derived columns. Then, and where
        derived columns have limits that a row breaks, the day is cleaned once more without such rows.
    set_apart: rows for which set_apart(frame) is true are not in clean/, but in set_apart/.
    key, newest: of rows with the same `key` (a column, or several) only the newest is kept.
    time: the timestamp column that says to which day a row belongs; rows of other days are rejected.
    format: of the raw files: csv, with a header, jsonl, a JSON object a line, or a Csv(...) that says more.
        Each may be packed by gzip or zip. Anything else, like Excel, XML or Parquet: a function that gets the
        binary file and yields DataFrames with these columns.
    period: hour, day, week (from Monday on) or month; what this says of days holds for these. Their keys,
        in folders and runs: 2018-02-01T05, 2018-02-01, 2018-01-29 (the Monday), 2018-02.
    zone: whose days they are, an IANA name like Europe/Berlin; fetch gets its `start` and `end` in it. Hours
        are those of UTC: where the clock shows one twice, they are two.
    min_rows, min_share: a day with fewer rows (clean and set apart), or a smaller share of the published
        ones, is not published: the old day stays, unless a person runs it with the param `accept`.
    refetch: a scheduled run also fetches the days so many days earlier again (or hours, …), for what is late
        or revised; events only.
    """

    name: str
    columns: tuple[Column, ...]
    fetch: Callable
    clean: Callable | None = None
    derived: tuple[Column, ...] = ()
    rules: Mapping[str, Callable] = field(default_factory=dict)
    set_apart: Callable | None = None
    key: str | tuple[str, ...] = ()
    newest: str | None = None
    time: str | None = None
    format: str | Csv | Callable = "csv"
    kind: str = ""
    period: str = "day"
    zone: str = "UTC"
    refetch: tuple[int, ...] = ()
    min_rows: int = 0
    min_share: float = 0.5

    def __post_init__(self):
        names = [column.name for column in self.columns]
        every = [*names, *(column.name for column in self.derived)]
        if not re.fullmatch(r"[A-Za-z0-9][\w-]*", self.name):
            raise ValueError(f"{self.name!r} is no name of a dataset: use letters, digits, _ and -.")
        if unusable := [one for one in every if not one or every.count(one) > 1 or one == "partition_date"]:
            why = "twice, empty, or the name of the folders"
            raise ValueError(f"{self.name} cannot have the column {unusable[0]!r}: it is {why}.")
        if not self.kind:
            raise ValueError(f"{self.name} does not say its kind: {', '.join(KINDS)} (see Dataset).")
        for what, some, known in (
            ("type", [column.type for column in (*self.columns, *self.derived)], TYPES),
            ("column", [*self.keys, *filter(None, (self.newest, self.time))], names),
            ("format", [] if callable(self.format) else [self.suffix], FORMATS),
            ("kind", [self.kind], KINDS),
            ("period", [self.period], PERIODS),
        ):
            if unknown := [one for one in some if one not in known]:
                raise ValueError(f"{self.name} knows no {what} {unknown[0]!r}, only {', '.join(known)}.")
        if not (self.min_rows >= 0 and 0 <= self.min_share <= 1):
            limits = f"min_rows={self.min_rows!r}, min_share={self.min_share!r}"
            raise ValueError(f"{self.name} has {limits}: use a number of rows, and a share from 0 to 1.")
        _check_zone(self.name, self.zone)
        if self.csv.names:
            self.check_names(self.csv.names, f"names of {self.name}")
        if any(column.name == self.time and column.type != "timestamp" for column in self.columns):
            raise ValueError(f"{self.name} has time={self.time!r}, which is no timestamp.")
        if not all(isinstance(days, int) and days > 0 for days in self.refetch):
            some = f"numbers of {self.period}s, like (1, 7)"
            raise ValueError(f"{self.name} has refetch={self.refetch!r}: use {some}.")
        if self.refetch and self.kind != "events":
            raise ValueError(f"{self.name} has refetch, but the past of {self.kind} cannot be asked for.")

    @property
    def periods(self) -> Period:
        return Period(self.period, self.zone)

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.key,) if isinstance(self.key, str) else self.key

    @property
    def csv(self) -> Csv:
        return self.format if isinstance(self.format, Csv) else PLAIN

    @property
    def suffix(self) -> str:
        return "csv" if isinstance(self.format, Csv) else "bin" if callable(self.format) else self.format

    def header(self, line: bytes, encoding: str | None = None) -> list[str]:
        """The names in the first line of a CSV; Permanent says what is wrong with it."""
        if self.csv.names:
            return list(self.csv.names)
        text = line.decode(encoding or self.csv.encoding, errors="replace").lstrip("\ufeff").rstrip("\r\n")
        if "\r" in text or "\n" in text or "\0" in text:
            raise Permanent(f"The header has a carriage return or a zero byte inside: {text[:80]!r}.")
        delimiter, quote = self.csv.delimiter, self.csv.quote
        quoted: dict[str, Any] = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
        lines = csv.reader([text], delimiter=delimiter, skipinitialspace=True, **quoted)
        names = [name.strip() for name in next(lines, [])]
        columns = {column.name for column in self.columns}
        if doubled := sorted({name for name in columns if names.count(name) > 1}):
            raise Permanent(f"The header has {', '.join(doubled)} more than once.")
        self.check_names(names, "The header")
        return names

    def check_names(self, names, what: str) -> None:
        """Permanent when columns are not among the names that were found; an optional one may be absent."""
        columns = [column.name for column in self.columns if not column.optional]
        if missing := [name for name in columns if name not in names]:
            there = ", ".join(sorted(set(map(str, names)) - set(columns)))[:200] or "no others"
            raise Permanent(f"{what} lacks the columns {', '.join(missing)}; there are {there}.")


def frame(dataset: Dataset, rows: list[dict]):
    """The rows as the DataFrame that clean() and rules get, for tests: frame(ORDERS, [{"price": 2.5}, {}]).

    Values are as in JSON, times as texts; what a row does not have is missing. ValueError when one does not
    fit its column.
    """
    import pyarrow as pa

    from . import contract, parquet

    columns = []
    for column in dataset.columns:
        given = [row.get(column.name) for row in rows]
        plain = [each if each is None or isinstance(each, str) else json.dumps(each) for each in given]
        values, _ = contract.typed_values(pa.array(plain, pa.string()), column, None, PLAIN)
        for text, value in zip(plain, values, strict=True) if column.type != "text" else ():
            if text is not None and not value.is_valid:
                raise ValueError(f"{column.name} {text!r} {contract.not_one(column)}.")
        columns.append(values)
    return parquet.to_frame(pa.Table.from_arrays(columns, schema=parquet.schema(dataset.columns)))


def read(name: str, first: str, last: str | None = None, *, folder: str = "clean"):
    """The days `first` to `last` of the dataset `name` as a DataFrame, whole even while a run replaces them.

    They may be named as its periods are, or in short: 2018-02 for all days, or hours, of that month.

    It has the columns that the dataset has today, empty where a day is from before, and the values and types
    that pd.read_parquet() gives for the folder: text str, number float64, integer Int64, boolean boolean,
    date date32[pyarrow], timestamp datetime64[ms, UTC].

    last: without it, only the day `first`. Days that were never published are left out.
    folder: clean or set_apart. NoSuchDay when none of the days was published.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from .parquet import to_frame, unified

    store, last = Store(load().data_root), last or first
    Period.check(first)
    Period.check(last)
    keys = [key for key in store.partitions(f"{folder}/{name}") if first <= key and key[: len(last)] <= last]

    def table(path: str):
        with contextlib.suppress(FileNotFoundError):
            content = pa.BufferReader(store.read(f"{folder}/{name}/{path}"))
            # Not read_table, whose scanner's threads can abort a process that ends right after it.
            return pq.ParquetFile(content).read(use_threads=False)

    with ThreadPoolExecutor(8) as threads:
        found = threads.map(table, [f"partition_date={key}/{name}.parquet" for key in keys])
        tables = {key: content for key, content in zip(keys, found, strict=True) if content is not None}
    if not tables:
        which = first if first == last else f"{first} to {last}"
        raise NoSuchDay(f"{name} of {which} is not in {store.url}: run extract and transform for it first.")
    contract = table("columns.parquet")
    return to_frame(unified(tables, None if contract is None else contract.schema))
