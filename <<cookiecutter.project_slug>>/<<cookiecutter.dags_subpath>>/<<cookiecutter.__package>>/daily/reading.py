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
from pyarrow import csv as arrow_csv

from . import Dataset
from .settings import Permanent

PIECE = 8 * 2**20  # bytes of CSV that are parsed at once
LONGEST = 32 * 2**20  # bytes; a record longer than this has a forgotten quote in it
ROWS = 50_000  # lines of JSON that are read at once

# What a cell looks like: quoted or bare, or empty.
_BARE = rb'[^",\r\n][^,\r\n]*|'
# On one line, something may follow the closing quote, as pyarrow has it. Where a cell has line breaks in it,
# nothing may: there, the quote is more likely another cell's opening one, and its own was forgotten.
_LINE_CELL = rb'(?:"[^"\n]*(?:""[^"\n]*)*"(?:[^",\r\n][^,\r\n]*)?|' + _BARE + rb")"
_CELL = rb'(?:"[^"]*(?:""[^"]*)*"|' + _BARE + rb")"


@dataclass
class Piece:
    """Some of a file's records.

    table: the dataset's columns, still text, null where empty; one row per record that has the right shape.
    lines: for each of these rows the line in the file where it starts; the first line is 1.
    broken: (line, reason, text) of every other record.
    text: text(row) is the row as it is in the file, without its line end.
    """

    table: pa.Table
    lines: np.ndarray
    broken: list[tuple[int, str, bytes]]
    text: Callable[[int], bytes]

    @property
    def records(self) -> int:
        return self.table.num_rows + len(self.broken)


def pieces(dataset: Dataset, file, size: int | None = None) -> Iterator[Piece]:
    """The records of a binary file, in order; Permanent when a CSV's header is not right."""
    if dataset.format == "jsonl":
        return _json_pieces(dataset, file)
    header_line = file.readline(2**20)
    if not header_line:  # a slice without rows may have no header, too
        return iter(())
    return _Csv(dataset, dataset.header(header_line)).pieces(file, size or PIECE)


class _Csv:
    def __init__(self, dataset: Dataset, names: list[str]):
        self._wanted = [column.name for column in dataset.columns]
        # Columns that nobody wants may have any name, even the same one.
        self._names = [name if name in self._wanted else f"\0{i}" for i, name in enumerate(names)]
        others = b"{%d}" % (len(names) - 1)
        self._line = re.compile(b"(?:%s,)%s%s\r*\n" % (_LINE_CELL, others, _LINE_CELL))
        self._record = re.compile(b"(?:%s,)%s%s\r*\n" % (_CELL, others, _CELL))
        self._open = re.compile(b'(?:%s,)*"[^"]*(?:""[^"]*)*\\Z' % _CELL)

    def pieces(self, file, size: int) -> Iterator[Piece]:
        line, rest, block = 2, b"", True
        while block:
            block = file.read(size)
            content = rest + block
            if not block and content and not content.endswith(b"\n"):
                content += b"\n"
            end = content.rfind(b"\n") + 1
            if end == 0:
                rest = content
                if len(rest) > LONGEST:
                    raise Permanent(
                        f"Line {line} is longer than {LONGEST // 2**20} MB: this is not such a file."
                    )
                continue
            piece = self._whole_lines(content[:end], line)
            if piece is None:
                piece, end = self._record_by_record(content[:end], line, last=not block)
            rest = content[end:]
            line += content.count(b"\n", 0, end)
            if piece.records:
                yield piece

    def _whole_lines(self, content: bytes, line: int) -> Piece | None:
        """The piece when each of its lines is one record of the right shape, else None."""
        if b"\r" in content and content.count(b"\r") != content.count(b"\r\n"):
            return None
        if not self._line.match(content, content.rfind(b"\n", 0, -1) + 1):  # it may end inside quotes
            return None
        try:
            table = self._parse(content, 2**20)
        except pa.ArrowInvalid:
            return None
        if table.num_rows != content.count(b"\n"):
            return None
        return Piece(table, np.arange(line, line + table.num_rows), [], _Text(content))

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
            if not record.strip(b"\r\n"):
                pass  # an empty line is no record
            elif match and _is_utf8(record):
                good.append(record)
                lines.append(line)
            elif not match and not last and len(content) - at < LONGEST and self._open.match(content, at):
                break
            else:
                broken.append((line, self._why(record, match), record.rstrip(b"\r\n")))
            line += record.count(b"\n")
            at = end
        joined = b"".join(good)
        table = self._parse(joined, len(joined) + 64) if good else self._parse(b"", 1)
        if table.num_rows != len(good):
            raise AssertionError(f"{len(good)} records became {table.num_rows} rows")
        text = _Text(joined, np.cumsum([0, *map(len, good)]))
        return Piece(table, np.array(lines, dtype=np.int64), broken, text), at

    def _why(self, record: bytes, right_shape) -> str:
        if right_shape:
            return "the text is not UTF-8"
        text = record.rstrip(b"\r\n")
        if b"\r" in text:
            return "a carriage return is inside the line"
        cells = re.compile(_LINE_CELL)
        at, columns = 0, 1
        while (at := cells.match(text, at).end()) < len(text):
            if text[at : at + 1] != b",":
                return "a quote that the line does not close"
            at, columns = at + 1, columns + 1
        return f"{columns} columns instead of {len(self._names)}"

    def _parse(self, content: bytes, block_size: int) -> pa.Table:
        """The dataset's columns as text, null where empty."""
        if not content:
            return pa.table({name: pa.array([], pa.string()) for name in self._wanted})
        there = [name for name in self._wanted if name in self._names]
        table = arrow_csv.read_csv(
            pa.BufferReader(content),
            # One thread: a task is given one core, and threads cost more than they bring.
            read_options=arrow_csv.ReadOptions(
                use_threads=False, column_names=self._names, block_size=block_size
            ),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(self._names, pa.string()),
                include_columns=there,
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
        nothing = pa.nulls(table.num_rows, pa.string())
        return pa.table({name: table[name] if name in there else nothing for name in self._wanted})


class _Text:
    """text(row): the bytes of a row without its line end; `offsets` are looked for when they are needed."""

    def __init__(self, content: bytes, offsets: np.ndarray | None = None):
        self._content, self._offsets = content, offsets

    def __call__(self, row: int) -> bytes:
        if self._offsets is None:
            ends = np.flatnonzero(np.frombuffer(self._content, dtype=np.uint8) == ord("\n")) + 1
            self._offsets = np.concatenate(([0], ends))
        return self._content[self._offsets[row] : self._offsets[row + 1]].rstrip(b"\r\n")


def _is_utf8(record: bytes) -> bool:
    try:
        record.decode()
    except UnicodeDecodeError:
        return False
    return True


def _json_pieces(dataset: Dataset, file) -> Iterator[Piece]:
    """JSON lines: what is no text there becomes text again, as it was written."""
    names = [column.name for column in dataset.columns]
    numbered = enumerate(file, 1)
    while batch := list(itertools.islice(numbered, ROWS)):
        values, lines, texts, broken = {name: [] for name in names}, [], [], []
        for line, record in batch:
            record = record.rstrip(b"\r\n")
            if not record:
                continue
            try:
                row = json.loads(record, parse_float=str, parse_int=str, parse_constant=str)
                cells = [_as_text(row[name]) if name in row else None for name in names]
            except (ValueError, TypeError, RecursionError):
                row = None
            if not isinstance(row, dict):
                broken.append((line, "not an object in JSON", record))
                continue
            lines.append(line)
            texts.append(record)
            for name, cell in zip(names, cells, strict=True):
                values[name].append(cell)
        table = pa.table({name: pa.array(column, pa.string()) for name, column in values.items()})
        yield Piece(table, np.array(lines, dtype=np.int64), broken, texts.__getitem__)


def _as_text(value) -> str | None:
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else json.dumps(value)
