"""What the tasks do, without Airflow. What a step returns goes through Airflow: small, JSON-ready."""

import hashlib
import inspect
import json
import logging
import math
import re
import shutil
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from . import Dataset
from .settings import NoSuchDay, Permanent, Settings, commit
from .store import BROKEN, LINES, Store, opened

log = logging.getLogger(__name__)

COUNTS = ("read", "clean", "duplicates", "set_apart", "rejected")
MANIFEST = "manifest.json"
SLICE = re.compile(r"\d{4}-of-\d{4}\.(\d{8}T\d{9})-[0-9a-f]{8}\.\w+")  # and when its fetch began, in UTC
ATTEMPTS = 5  # of a transform whose raw day changes while it reads
JSON = (Mapping, list, int, float, type(None))  # a row of an answer; what is no object is rejected
OUTSIDE = 5  # of the rejected share, the part that may be rows of other days
SAMPLES, SHOWN = 3, 5  # values per broken rule, and rules, in a message


def folder(kind: str, name: str, day: str) -> str:
    return f"{kind}/{name}/partition_date={day}"


def plan(dataset: Dataset, days: list[str], slices: int) -> list[dict]:
    """What is to be fetched: each day in `slices` time slices that cover it without a gap."""
    if dataset.kind == "snapshot" and slices > 1:
        raise Permanent(f"{dataset.name} is a snapshot, which has no time slices: slices must be 1.")
    parts = []
    for day in days:
        start, end = dataset.periods.bounds(day)
        minutes = (end - start) // timedelta(minutes=1)
        if not 1 <= slices <= minutes:
            raise Permanent(f"{day} can be cut into 1 to {minutes} slices, not {slices}.")
        # Whole minutes, so that no row falls between two slices by rounding.
        times = [start + timedelta(minutes=minutes * n // slices) for n in range(slices + 1)]
        edges = [time.astimezone(ZoneInfo(dataset.zone)).isoformat() for time in times]
        of = {"day": day, "of": slices}
        parts += [{**of, "slice": n, "start": edges[n], "end": edges[n + 1]} for n in range(slices)]
    return parts


def fetch(dataset: Dataset, part: dict, settings: Settings) -> dict:
    """Fetch one slice into a raw file of its own, which publish() makes count: {"day", "file", "bytes"}."""
    started = time.monotonic()
    store = Store(settings.data_root)
    _refuse_past(store, dataset, part["day"])
    times = [datetime.fromisoformat(part[edge]) for edge in ("start", "end")]
    began = f"{now():%Y%m%dT%H%M%S%f}"[:-3]
    name = f"{part['slice']:04d}-of-{part['of']:04d}.{began}-{uuid.uuid4().hex[:8]}.{dataset.suffix}"
    with store.writing(f"{folder('raw', dataset.name, part['day'])}/{name}") as sink:
        _fetch_into(sink, dataset, [] if dataset.kind == "snapshot" else times)
        size = sink.tell()
        if size and dataset.suffix == "csv":
            sink.seek(0)
            _check_header(dataset, sink)  # better no new raw day than one that cannot be read
    facts = {"day": part["day"], "file": name, "bytes": size}
    _log("fetched", dataset, started, **facts)
    return facts


def _fetch_into(sink, dataset: Dataset, times: list[datetime]) -> None:
    """What fetch yields, or writes by itself when it asks for a sink."""
    try:
        inspect.signature(dataset.fetch).bind(*times)
    except TypeError:
        dataset.fetch(*times, sink)
        return
    rows = dataset.fetch(*times)
    if rows is None:
        raise Permanent(f"fetch() of {dataset.name} returns nothing: it is to yield rows.")
    for row in [rows] if isinstance(rows, bytes) else rows:
        sink.write(row if isinstance(row, bytes) else _line(dataset, row))


def _line(dataset: Dataset, row) -> bytes:
    if dataset.suffix != "jsonl" or not isinstance(row, JSON):
        wanted = "bytes, or rows as dicts" if dataset.suffix == "jsonl" else "bytes"
        raise Permanent(f"fetch() of {dataset.name} yields a {type(row).__name__}: yield {wanted}.")
    return json.dumps(dict(row) if isinstance(row, Mapping) else row, default=_text).encode() + b"\n"


def _text(value) -> str:
    """What JSON does not know, like times and decimals; bytes of a database as PostgreSQL's hex digits."""
    return bytes(value).hex() if isinstance(value, bytes | bytearray | memoryview) else str(value)


def _check_header(dataset: Dataset, file) -> None:
    try:
        text = opened(file, dataset.csv.encoding)
        for _ in range(dataset.csv.skip):
            text.readline(2**20)
        dataset.header(text.readline(2**20), "utf-8")
    except BROKEN as problem:
        raise Permanent(f"What was fetched cannot be read: {problem}") from problem


def now() -> datetime:
    return datetime.now(UTC)


def _refuse_past(store: Store, dataset: Dataset, day: str) -> None:
    """Permanent when the source would answer with its state of today for a day that is over."""
    if dataset.kind == "events":
        return
    (start, end), files = dataset.periods.bounds(day), manifest(store, dataset.name, day)
    final = files and fetched_at(files) >= end
    just = start <= now() < end + min(end - start, timedelta(days=1)) and not final
    if just or (dataset.kind == "changes" and not files):
        return
    what = "is of another moment" if dataset.kind == "snapshot" else "lacks what has changed again since"
    there = f" It was fetched at {fetched_at(files):%Y-%m-%d %H:%M} UTC, and stays." if files else ""
    raise Permanent(
        f"{dataset.name} of {day} is refused: what the source says now {what} (kind={dataset.kind!r}).{there}"
    )


def publish(dataset: Dataset, files: list[dict], settings: Settings) -> dict[str, dict]:
    """Make the fetched slices the raw days, in place of older ones: {day: {"files", "bytes"}}.

    The manifest is what makes them the day: it is replaced at once, when all of them are there.
    """
    started, store, days = time.monotonic(), Store(settings.data_root), {}
    for day in {file["day"]: None for file in files}:
        fetched = [file for file in files if file["day"] == day]
        if not all(file["file"] for file in fetched):  # the source has no such day
            continue
        sizes = {file["file"]: file["bytes"] for file in fetched}
        place = folder("raw", dataset.name, day)
        there, before = store.files(place), manifest(store, dataset.name, day)
        newer = before and now() >= fetched_at(before) > fetched_at(sizes)
        if newer or not sizes.keys() <= there.keys():
            raise Permanent(f"{day}: another run has fetched it since. That day stays; nothing is lost.")
        with store.writing(f"{place}/{MANIFEST}") as sink:
            sink.write(json.dumps({"files": sizes}, indent=1).encode())
        for name in there.keys() - sizes.keys() - {MANIFEST}:
            # What is in neither manifest is of a run that is at work, or was killed a day ago.
            draft = fetched_at([name]) if SLICE.fullmatch(name) and name not in (before or {}) else None
            if draft is None or now() - draft > store.drafts_kept:
                store.remove(f"{place}/{name}")
        days[day] = {"files": len(sizes), "bytes": sum(sizes.values())}
        _log("published raw", dataset, started, day=day, **days[day])
    return days


def manifest(store: Store, name: str, day: str) -> dict[str, int] | None:
    """The files of the raw day that is published, with their sizes; None where there is none."""
    try:
        return json.loads(store.read(f"{folder('raw', name, day)}/{MANIFEST}"))["files"]
    except FileNotFoundError:
        return None


def fetched_at(names) -> datetime:
    """When the first of the slices was begun, by their names."""
    began = min(match[1] for name in names if (match := SLICE.fullmatch(name)))
    return datetime.strptime(f"{began}000+0000", "%Y%m%dT%H%M%S%f%z")


def raw_files(store: Store, name: str, day: str) -> dict[str, tuple]:
    """The files of the raw day, and what changes with them: those that its manifest names."""
    for _ in range(ATTEMPTS):
        wanted, there = manifest(store, name, day), store.files(folder("raw", name, day))
        if wanted is None and (old := _old_raw_files(there)):
            return old
        sizes = {file: state[1] for file, state in there.items()}
        if wanted is not None and wanted.items() <= sizes.items():
            return {file: there[file] for file in wanted}
        if wanted == manifest(store, name, day):  # else it was replaced between the two looks
            break
    reason = "has not all of its raw files" if wanted else "has files of an extract that has not ended"
    reason = reason if there else "has no raw data"
    raise NoSuchDay(f"{name} of {day} {reason} in {store.url}: run extract for it first.")


def is_fetched(dataset: Dataset, day: str, settings: Settings) -> bool:
    try:
        return bool(raw_files(Store(settings.data_root), dataset.name, day))
    except NoSuchDay:
        return False


def _old_raw_files(there: dict[str, tuple]) -> dict[str, tuple]:
    """The files of a raw day from before there were manifests: of the sets that are whole, the newest one."""
    sets: dict[int, dict[str, tuple]] = {}
    for file, state in there.items():
        if match := re.fullmatch(r"\d{4}-of-(\d{4})\.\w+", file):
            sets.setdefault(int(match[1]), {})[file] = state
    whole = [files for of, files in sets.items() if len(files) == of]
    return max(whole, key=lambda files: max(changed for changed, *_ in files.values()), default={})


def transform(dataset: Dataset, day: str, settings: Settings, accept: bool = False) -> dict:
    """Make the clean day from the raw one; its counts (rows by COUNTS).

    accept: a person says that a day with few rows is right (Dataset.min_rows, min_share).

    The last one to write wins. When the raw day was replaced meanwhile, it is done again, so that what is
    there in the end is always made from the newest raw day.
    """
    dataset.periods.bounds(day)
    store = Store(settings.data_root)
    for _ in range(ATTEMPTS):
        started, before = time.monotonic(), raw_files(store, dataset.name, day)
        try:
            counts = _transform(store, dataset, day, sorted(before), settings, accept)
        except OSError:  # a file has gone or was replaced while it was read, if nothing else is the matter
            if raw_files(store, dataset.name, day) == before:
                raise
            continue
        if raw_files(store, dataset.name, day) == before:
            store.remove(f"{folder('failed', dataset.name, day)}/{dataset.name}.jsonl")
            _log("transformed", dataset, started, day=day, **counts)
            return counts
        log.warning("The raw day %s has changed meanwhile: once more", day)
    raise RuntimeError(f"{dataset.name} of {day} is fetched again all the time")


def _transform(store: Store, dataset: Dataset, day: str, files: list[str], settings: Settings, accept: bool):
    from . import contract, parquet, reading

    name, raw = dataset.name, folder("raw", dataset.name, day)
    hashes: dict[str, str] = {}

    def writing(kind: str, suffix: str):
        return store.writing(f"{folder(kind, name, day)}/{name}.{suffix}")

    # They take their places when the blocks end: rejected first, clean last.
    with (
        writing("clean", "parquet") as clean_file,
        writing("set_apart", "parquet") as apart_file,
        writing("rejected", "jsonl") as rejected_file,
    ):
        rejects = Rejects(rejected_file, files)
        read = partial(reading.files, dataset, lambda file: store.open(f"{raw}/{file}"), files, hashes)
        frame, count, duplicates = contract.clean_rows(dataset, day, read, rejects)
        apart = contract.as_mask(dataset.set_apart(frame) if dataset.set_apart else False, frame)
        numbers = (count, int((~apart).sum()), duplicates, int(apart.sum()), rejects.rows)
        counts = dict(zip(COUNTS, numbers, strict=True))
        try:
            _check(dataset, day, counts, rejects, settings)
            if not accept:
                old = parquet.counts_in(store, f"{folder('clean', name, day)}/{name}.parquet")
                _check_floor(dataset, day, counts, old)
        except Permanent as problem:
            if not rejects.rows:
                raise
            with writing("failed", "jsonl") as kept:
                rejected_file.seek(0)
                shutil.copyfileobj(rejected_file, kept)
            where = f"{store.url}/{folder('failed', name, day)}/{name}.jsonl"
            raise Permanent(f"{problem} All rejected rows: {where}") from None
        # Without what is another one in each run: the same rows make the same clean file.
        hashes = {re.sub(r"\.\d{8}T\d{9}-[0-9a-f]{8}", "", file): sha256 for file, sha256 in hashes.items()}
        made_of = {"counts": json.dumps(counts), "raw_sha256": json.dumps(hashes)}
        facts = {**made_of, "commit": commit(), "contract": contract_hash(dataset)}
        for file, mask in ((apart_file, apart), (clean_file, ~apart)):
            parquet.write(file, dataset, frame, mask, facts)
        for kind in ("clean", "set_apart"):
            parquet.say_columns(store, dataset, f"{kind}/{name}/columns.parquet")
        return counts


def contract_hash(dataset: Dataset) -> str:
    """A short hash of what the dataset states; of its functions only the names, for the commit has them."""

    def plain(value):
        if isinstance(value, set | frozenset):
            return sorted(value)
        if callable(value):
            return getattr(value, "__name__", "function")
        return getattr(value, "__dict__", None) or str(value)

    return hashlib.sha256(json.dumps(vars(dataset), default=plain).encode()).hexdigest()[:12]


def _check(dataset: Dataset, day: str, counts: dict, rejects: "Rejects", settings: Settings) -> None:
    if counts["read"] != sum(counts[name] for name in COUNTS if name != "read"):
        raise Permanent(f"{day}: the rows do not add up: {counts}")
    if counts["rejected"] > settings.max_rejected_share * counts["read"]:
        raise Permanent(
            f"{day}: {rejects.rows} of {counts['read']} rows are rejected, more than "
            f"{settings.max_rejected_share:.0%} (ETL_MAX_REJECTED_SHARE). The last good day stays. "
            f"{rejects.in_words()}"
        )
    # Rows of other days are a sign that the source counts its days otherwise, and that some are missing.
    most, outside = settings.max_rejected_share, rejects.outside(dataset.time)
    share = most / OUTSIDE if most < 1 else 1
    if outside > max(1, share * counts["read"]):
        raise Permanent(
            f"{day}: {outside} of {counts['read']} rows are of other {dataset.period}s, more than "
            f"{share:.0%} (ETL_MAX_REJECTED_SHARE / {OUTSIDE}). The last good day stays. Is "
            f"zone={dataset.zone!r} that of the source's {dataset.period}s, and of what fetch() asks for? "
            f"{rejects.in_words()}"
        )


def _check_floor(dataset: Dataset, day: str, counts: dict, old: dict | None) -> None:
    """Permanent when the day would have too few rows, by number or beside those that are published."""
    rows, before = (each["clean"] + each["set_apart"] if each else 0 for each in (counts, old))
    limits = {"min_rows": dataset.min_rows, "min_share": math.ceil(dataset.min_share * before)}
    for limit, least in limits.items():
        if rows < least:
            stays = f"the published day with {before} rows stays" if old else "nothing is published"
            few = f"has {rows} rows, less than {least} ({limit}={getattr(dataset, limit)})"
            how = "If it is right, run this DAG for the day with the param accept: it takes what was fetched."
            raise Permanent(f"{dataset.name} of {day} {few}: {stays}. {how}")


class Rejects:
    """Writes rejected rows to `sink` as JSON lines (file, line, reason, row), and counts them by rule.

    Bytes that are not UTF-8 appear as \\\\xNN.
    """

    def __init__(self, sink, files: Sequence[str] = ("",)):
        self._sink, self._files, self.rows = sink, files, 0
        self._rules: dict[str, list[str]] = {}

    def restart(self) -> None:
        """Forget all of them."""
        self._sink.seek(0)
        self._sink.truncate()
        self._rules, self.rows = {}, 0

    def __call__(self, place: int, problems: list[tuple[str, str, str]], text: bytes) -> None:
        number, line = divmod(place, LINES)
        row = text.decode(errors="backslashreplace")
        words = [(name, value and repr(value), rule) for name, value, rule in problems]
        reason = "; ".join(" ".join(filter(None, each)) for each in words)
        record = {"file": self._files[number], "line": line, "reason": reason, "row": row}
        self._sink.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
        self.rows += 1
        for name, value, rule in problems:
            self._rules.setdefault(f"{name or 'line'} {rule}", []).append((value or row)[:40])

    def outside(self, time: str | None) -> int:
        """How many are of another day, by the column `time`."""
        return sum(len(rows) for rule, rows in self._rules.items() if rule.startswith(f"{time} is outside"))

    def in_words(self) -> str:
        """The rules that most rows broke: column, rule, number of rows and some of the values."""
        most = sorted(self._rules.items(), key=lambda item: (-len(item[1]), item[0]))[:SHOWN]
        return " ".join(f"{rule}: {len(rows)} rows ({', '.join(rows[:SAMPLES])})." for rule, rows in most)


def _log(event: str, dataset: Dataset, started: float, **facts) -> None:
    """One JSON object a line: easy to read, to search for, and to parse. started: time.monotonic() then."""
    seconds = round(time.monotonic() - started, 3)
    log.info("%s", json.dumps({"event": event, "dataset": dataset.name, **facts, "seconds": seconds}))
