"""Reads a raw file piece by piece as text, and knows for every row its line and its text in the file.

pyarrow parses whole pieces of CSV at full speed. A piece in which a record is not simply a line (a line break
inside quotes, a forgotten quote, too few columns) is taken apart record by record, so that a broken record
costs no other one.
"""

import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyarrow import csv

from . import Dataset
from .settings import Permanent

PIECE = 8 * 2**20  # bytes of CSV that are parsed at once
LONGEST = 32 * 2**20  # bytes; a record longer than this has a forgotten quote in it
ROWS = 50_000  # lines of JSON that are read at once

# What a cell looks like: quoted, bare or empty. On one line something may follow the closing quote, as
# pyarrow has it. Where the cell has line breaks, nothing may: that quote more likely opens another cell.
_BARE = rb'[^",\r\n][^,\r\n]*|'
_LINE_CELL = rb'(?:"[^"\n]*(?:""[^"\n]*)*"(?:[^",\r\n][^,\r\n]*)?|' + _BARE + rb")"
_CELL = rb'(?:"[^"]*(?:""[^"]*)*"|' + _BARE + rb")"


@dataclass
class Piece:
    """Some of a file's records.

    table: the dataset's columns, still text, null where empty; one row per record that has the right shape.
    lines: for each of these rows the line in the file where it starts; the first line is 1.
    texts: text(row) is the row as it is in the file.
    broken: (line, reason, text) of every other record.
    """

    table: pa.Table
    lines: np.ndarray
    text: Callable[[int], bytes]
    broken: list[tuple[int, str, bytes]]


def pieces(dataset: Dataset, file) -> Iterator[Piece]:
    """The records of a binary file, in order; Permanent when a CSV's header is not right."""
    if dataset.format == "jsonl":
        return _json_pieces(dataset, file)
    header = file.readline(2**20)
    if not header:  # a slice without rows may have no header, too
        return iter(())
    return _Csv(dataset, dataset.header(header)).pieces(file)


class _Csv:
    def __init__(self, dataset: Dataset, names: list[str]):
        self._wanted = [column.name for column in dataset.columns]
        # Columns that nobody wants may have any name, even the same one.
        self._names = [name if name in self._wanted else f"\0{i}" for i, name in enumerate(names)]
        others = len(names) - 1
        self._line = re.compile(b"(?:%s,){%d}%s\r*\n" % (_LINE_CELL, others, _LINE_CELL))
        self._record = re.compile(b"(?:%s,){%d}%s\r*\n" % (_CELL, others, _CELL))
        self._open = re.compile(b'(?:%s,)*"[^"]*(?:""[^"]*)*\\Z' % _CELL)

    def pieces(self, file) -> Iterator[Piece]:
        line, rest, block = 2, b"", True
        while block:
            block = file.read(PIECE)
            content = rest + block
            if not block and content and not content.endswith(b"\n"):
                content += b"\n"
            end = content.rfind(b"\n") + 1
            if not end and len(content) > LONGEST:
                raise Permanent(f"Line {line} is longer than {LONGEST // 2**20} MB.")
            piece = self._whole_lines(content[:end], line)
            if piece:
                line += len(piece.lines)
            else:
                piece, end = self._record_by_record(content[:end], line, last=not block)
                line += content.count(b"\n", 0, end)
            rest = content[end:]
            if len(piece.lines) or piece.broken:
                yield piece

    def _whole_lines(self, content: bytes, line: int) -> Piece | None:
        """The piece when each of its lines is one record of the right shape, else None."""
        if b"\r" in content and content.count(b"\r") != content.count(b"\r\n"):
            return None
        if not self._line.match(content, content.rfind(b"\n", 0, -1) + 1):  # it may end inside quotes
            return None
        try:
            table = self._parse(content, block_size=2**20)
        except pa.ArrowInvalid:
            return None
        if table.num_rows != content.count(b"\n"):
            return None
        offsets = []  # found when they are needed

        def text(row: int) -> bytes:
            if not offsets:
                offsets.extend([0, *(match.end() for match in re.finditer(b"\n", content))])
            return content[offsets[row] : offsets[row + 1]]

        return Piece(table, np.arange(line, line + table.num_rows), text, [])

    def _record_by_record(self, content: bytes, line: int, last: bool) -> tuple[Piece, int]:
        """As much of `content`, which ends with a line, as has whole records, and how many bytes that is.

        A record of the wrong shape costs its first line only: what follows may be good lines that a
        forgotten quote swallowed.
        """
        good, lines, broken = [], [], []
        at = 0
        while at < len(content):
            match = self._line.match(content, at) or self._record.match(content, at)
            end = match.end() if match else content.index(b"\n", at) + 1
            record = content[at:end]
            reason = _not_utf8(record) if match else self._why(record)
            if not record.strip(b"\r\n"):
                pass  # an empty line is no record
            elif not reason:
                good.append(record)
                lines.append(line)
            elif not match and not last and len(content) - at < LONGEST and self._open.match(content, at):
                break  # the record may go on in the next piece
            else:
                broken.append((line, reason, record))
            line += record.count(b"\n")
            at = end
        table = self._parse(b"".join(good), block_size=at + 64)
        if table.num_rows != len(good):
            raise AssertionError(f"{len(good)} records became {table.num_rows} rows")
        return Piece(table, np.array(lines, dtype=np.int64), good.__getitem__, broken), at

    def _why(self, record: bytes) -> str:
        text, cell = record.rstrip(b"\r\n"), re.compile(_LINE_CELL)
        if b"\r" in text:
            return "a carriage return is inside the line"
        at, columns = cell.match(text).end(), 1
        while at < len(text):
            if text[at : at + 1] != b",":
                return "a quote that the line does not close"
            at, columns = cell.match(text, at + 1).end(), columns + 1
        return f"{columns} columns instead of {len(self._names)}"

    def _parse(self, content: bytes, block_size: int) -> pa.Table:
        """The dataset's columns as text, null where empty."""
        there = [name for name in self._wanted if name in self._names]
        if not content:
            return pa.table({name: pa.array([], pa.string()) for name in self._wanted})
        table = csv.read_csv(
            pa.BufferReader(content),
            # One thread: a task is given one core, and threads cost more than they bring.
            csv.ReadOptions(use_threads=False, column_names=self._names, block_size=block_size),
            csv.ParseOptions(newlines_in_values=True),
            csv.ConvertOptions(
                column_types=dict.fromkeys(self._names, pa.string()),
                include_columns=there,
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
        nothing = pa.nulls(table.num_rows, pa.string())
        return pa.table({name: table[name] if name in there else nothing for name in self._wanted})


def _not_utf8(record: bytes) -> str:
    try:
        record.decode()
    except UnicodeDecodeError:
        return "the text is not UTF-8"
    return ""


def _json_pieces(dataset: Dataset, file) -> Iterator[Piece]:
    """JSON lines: what is no text there becomes text again, as it was written."""
    names = [column.name for column in dataset.columns]
    numbered = enumerate(file, 1)
    while batch := list(itertools.islice(numbered, ROWS)):
        rows, lines, texts, broken = [], [], [], []
        for line, text in batch:
            try:
                row = json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
            except (ValueError, RecursionError):
                row = None
            if isinstance(row, dict):
                rows.append(row)
                lines.append(line)
                texts.append(text)
            elif text.strip():
                broken.append((line, "not an object in JSON", text))
        columns = {name: pa.array([_as_text(row.get(name)) for row in rows], pa.string()) for name in names}
        yield Piece(pa.table(columns), np.array(lines, dtype=np.int64), texts.__getitem__, broken)


def _as_text(value) -> str | None:
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else json.dumps(value)
