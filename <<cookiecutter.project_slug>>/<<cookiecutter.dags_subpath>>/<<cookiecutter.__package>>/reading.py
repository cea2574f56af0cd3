"""Reads a catalogue CSV piece by piece, and knows for every row its line and its text in the file.

pyarrow parses whole pieces at full speed. A piece in which a record is not simply a line (a line break inside
quotes, a forgotten quote, too few columns) is taken apart record by record, so that a broken record costs no
other one.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from << cookiecutter.__package >>.contract import COLUMN_NAMES
from << cookiecutter.__package >>.errors import Permanent

PIECE = 8 * 2**20  # bytes that are parsed at once
LONGEST = 32 * 2**20  # bytes; a record longer than this has a forgotten quote in it


@dataclass
class Piece:
    """The records of one piece of a file.

    table: the contract's columns, still text, null where empty; one row per record that has the right shape.
    lines: for each of these rows the line in the file on which it starts (the header is on line 1).
    broken: (line, reason, text) of every other record.
    """

    table: pa.Table
    lines: np.ndarray
    broken: list[tuple[int, str, bytes]] = field(default_factory=list)
    _content: bytes = b""
    _offsets: np.ndarray | None = None

    @property
    def records(self) -> int:
        return self.table.num_rows + len(self.broken)

    def text(self, row: int) -> bytes:
        """The row as it stands in the file, without its line end."""
        if self._offsets is None:
            ends = np.flatnonzero(np.frombuffer(self._content, dtype=np.uint8) == ord("\n")) + 1
            self._offsets = np.concatenate(([0], ends))
        return self._content[self._offsets[row] : self._offsets[row + 1]].rstrip(b"\r\n")


def pieces(file, size: int = PIECE) -> Iterator[Piece]:
    """The records of a binary CSV file, in order; Permanent when the header lacks a column."""
    header_line = file.readline(2**20)
    header = next(csv.reader([header_line.decode("utf-8-sig", errors="replace").rstrip("\r\n")]), [])
    missing = [name for name in COLUMN_NAMES if name not in header]
    if missing:
        raise Permanent(f"The file's header lacks the columns {', '.join(missing)}.")
    line = 2
    rest = b""
    while True:
        block = file.read(size)
        content = rest + block
        if not content:
            return
        if block:
            end = content.rfind(b"\n") + 1
        else:
            end = len(content)
            if not content.endswith(b"\n"):
                content += b"\n"
                end += 1
        if end == 0:
            rest = content
            if len(rest) > LONGEST:
                raise Permanent(f"Line {line} is longer than {LONGEST // 2**20} MB: this is not a catalogue.")
            continue
        piece = _whole_lines(content[:end], header, line)
        if piece is None:
            piece, used = _record_by_record(content, header, line, last=not block)
            end = used
        rest = content[end:]
        if end == 0 and len(rest) > 2 * LONGEST:
            raise Permanent(f"Line {line} is longer than {LONGEST // 2**20} MB: this is not a catalogue.")
        line += content.count(b"\n", 0, end)
        if piece.table.num_rows or piece.broken:
            yield piece


def _whole_lines(content: bytes, header: list[str], line: int) -> Piece | None:
    """The piece when each of its lines is one record of the right shape, else None."""
    if b"\r" in content and content.count(b"\r") != content.count(b"\r\n"):
        return None
    last_line = content.rfind(b"\n", 0, -1) + 1
    if _end_of_record(content, last_line)[0] < 0:  # the piece ends inside quotes
        return None
    try:
        table = _parse(content, header)
    except pa.ArrowInvalid:
        return None
    if table.num_rows != content.count(b"\n"):
        return None
    return Piece(table, np.arange(line, line + table.num_rows), _content=content)


def _record_by_record(content: bytes, header: list[str], line: int, last: bool) -> tuple[Piece, int]:
    """As much of `content` as holds whole records, and how many bytes that is.

    A record of the wrong shape costs its first line only: what follows may be good lines that a
    forgotten quote swallowed.
    """
    good, lines, broken = [], [], []
    at = 0
    while at < len(content):
        end, columns = _end_of_record(content, at)
        if end < 0 and not last and (len(content) - at < LONGEST or content.find(b"\n", at) < 0):
            break
        reason = None
        if end < 0:
            reason = "a quote is opened and never closed"
        elif columns < 0:
            reason = "a carriage return stands inside the line"
        elif columns != len(header):
            reason = f"{columns} columns instead of {len(header)}"
            if content.find(b"\n", at, end - 1) >= 0:
                reason += ", after a quote that the line does not close"
        elif not _is_utf8(content[at:end]):
            reason = "the text is not UTF-8"
        if reason:
            end = content.index(b"\n", at) + 1
        record = content[at:end]
        if not record.strip(b"\r\n"):
            pass  # an empty line is no record
        elif reason:
            broken.append((line, reason, record.rstrip(b"\r\n")))
        else:
            good.append(record)
            lines.append(line)
        line += record.count(b"\n")
        at = end
    joined = b"".join(good)
    table = _parse(joined, header, one_block=True) if good else _parse_nothing()
    if table.num_rows != len(good):
        raise AssertionError(f"{len(good)} records became {table.num_rows} rows")
    offsets = np.cumsum([0, *map(len, good)])
    return Piece(table, np.array(lines, dtype=np.int64), broken, joined, offsets), at


def _end_of_record(content: bytes, start: int) -> tuple[int, int]:
    """Offset after the record and its number of columns; -1 for an open quote, -1 columns for a stray \\r."""
    newline = content.find(b"\n", start)
    if newline < 0:
        return -1, 0
    if content.find(b'"', start, newline) < 0:
        stray = b"\r" in content[start:newline].rstrip(b"\r")
        return newline + 1, -1 if stray else content.count(b",", start, newline) + 1
    at, columns, stray = start, 0, False
    while True:
        columns += 1
        if content[at : at + 1] == b'"':
            at += 1
            while True:
                at = content.find(b'"', at)
                if at < 0:
                    return -1, columns
                if content[at + 1 : at + 2] != b'"':
                    break
                at += 2
            at += 1
            if newline < at:
                newline = content.find(b"\n", at)
                if newline < 0:
                    return -1, columns
        comma = content.find(b",", at, newline)
        tail = content[at : comma if comma >= 0 else newline]
        stray = stray or b"\r" in (tail if comma >= 0 else tail.rstrip(b"\r"))
        if comma < 0:
            return newline + 1, -1 if stray else columns
        at = comma + 1


def _is_utf8(record: bytes) -> bool:
    try:
        record.decode()
    except UnicodeDecodeError:
        return False
    return True


def _parse(content: bytes, header: list[str], one_block: bool = False) -> pa.Table:
    """The contract's columns as text, null where empty."""
    return arrow_csv.read_csv(
        pa.BufferReader(content),
        # One thread: a task is given one core, and threads cost more than they bring.
        read_options=arrow_csv.ReadOptions(
            use_threads=False, column_names=header, block_size=len(content) + 64 if one_block else 2**20
        ),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(header, pa.string()),
            include_columns=list(COLUMN_NAMES),
            null_values=[""],
            strings_can_be_null=True,
        ),
    )


def _parse_nothing() -> pa.Table:
    return pa.table({name: pa.array([], pa.string()) for name in COLUMN_NAMES})
