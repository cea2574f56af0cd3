"""Reads a raw file piece by piece as text, and knows for every row its line and its text in the file.

pyarrow parses whole pieces of CSV at full speed. A piece in which a record is not simply a line (a line break
inside quotes, a forgotten quote, too few columns) is taken apart record by record, so that a broken record
costs no other one.
"""

import codecs
import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, BinaryIO, cast

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
from pyarrow import csv

from . import Dataset
from .settings import Permanent
from .store import BROKEN, LINES, opened

# Its functions are made when it is imported: no type checker knows them.
pc: Any = pyarrow.compute
PIECE = 8 * 2**20  # bytes that are parsed at once
LONGEST = 32 * 2**20  # bytes; a record longer than this has a forgotten quote in it
FEW = 10_000  # rows; a piece with fewer is worked on together with those that follow


@dataclass
class Piece:
    """Some records of a file, or of several.

    table: the dataset's columns, still text, null where empty; one row per record that has the right shape.
        Numbers and booleans of JSON may be what they are.
    lines: for each of these rows the line in the file where it starts, and LINES times the number of the
        file; the first line is 1.
    text: text(row) is the row as it is in the file.
    broken: (line, reason, text) of every other record.
    names: of JSON lines, the columns that any of the rows has.
    """

    table: pa.Table
    lines: np.ndarray
    text: Callable[[int], bytes]
    broken: list[tuple[int, str, bytes]]
    names: Collection[str] = ()

    def cells(self, name: str, rows: pa.Array) -> list[str | None]:
        """The column in these rows, as it is in the file."""
        cells = self.table[name].take(rows)
        if cells.type == pa.string():
            return cells.to_pylist()
        texts = map(self.text, rows.to_pylist())
        return [_string(name, _parse(text.decode()).get(name), text) for text in texts]


def pieces(dataset: Dataset, file, digest, number: int = 0) -> Iterator[Piece]:
    """The records of a binary file, in order; Permanent when a CSV's header is not right; store.BROKEN.

    digest: of hashlib; it is updated with all that is read. number: of the file.
    """
    line = number * LINES + 1
    if callable(dataset.format):
        yield from _frames(dataset, file, digest, line)
        return
    file = opened(file, dataset.csv.encoding, digest)
    for _ in range(dataset.csv.skip):
        file.readline(2**20)
    line += dataset.csv.skip
    if dataset.suffix == "jsonl":
        take = _Json(dataset).take
    elif dataset.csv.names:
        take = _Csv(dataset, list(dataset.csv.names)).take
    else:
        header = file.readline(2**20)
        if not header:  # a slice without rows may have no header, too
            return
        line, take = line + 1, _Csv(dataset, dataset.header(header, "utf-8"), header).take
    rest, block = b"", True
    while block:
        block = file.read(PIECE)
        content = rest + block
        if not block and content and not content.endswith(b"\n"):
            content += b"\n"
        whole = content[: content.rfind(b"\n") + 1]
        if not whole and len(content) > LONGEST:
            raise Permanent(f"Line {line % LINES} is longer than {LONGEST // 2**20} MB.")
        if not whole:
            rest = content
            continue
        piece, taken = take(whole, line, last=not block)
        line += _line_ends(whole[:taken])
        rest = content[taken:]
        if len(piece.lines) or piece.broken:
            yield piece


def files(
    dataset: Dataset, open_raw: Callable[[str], BinaryIO], names: list[str], hashes: dict[str, str]
) -> Iterator[Piece]:
    """The pieces of these raw files; `hashes` gets their SHA-256."""
    for number, name in enumerate(names):
        sha256 = hashlib.sha256()
        with open_raw(name) as file:
            try:
                yield from pieces(dataset, file, sha256, number)
            except BROKEN as problem:
                raise Permanent(f"{name} cannot be read: {problem}") from problem
        hashes[name] = sha256.hexdigest()


def together(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """The same records, small pieces as one: each costs milliseconds, and a day may have many slices."""
    few, rows = list[Piece](), 0
    for piece in pieces:
        if few and piece.table.schema != few[0].table.schema:  # JSON has values as they are
            yield _joined(few)
            few, rows = [], 0
        few.append(piece)
        rows += len(piece.lines) + len(piece.broken)
        if rows >= FEW:
            yield _joined(few)
            few, rows = [], 0
    if few:
        yield _joined(few)


def _joined(some: list[Piece]) -> Piece:
    if len(some) == 1:
        return some[0]
    starts = np.cumsum([0, *(len(piece.lines) for piece in some)])

    def text(row: int) -> bytes:
        number = int(np.searchsorted(starts, row, side="right")) - 1
        return some[number].text(row - int(starts[number]))

    table = pa.concat_tables([piece.table for piece in some])
    broken = [record for piece in some for record in piece.broken]
    names = set().union(*(piece.names for piece in some))
    return Piece(table, np.concatenate([piece.lines for piece in some]), text, broken, names)


def _frames(dataset: Dataset, file, digest, line: int) -> Iterator[Piece]:
    """What the dataset's own function reads, as text; the line is the number of the row."""
    while block := file.read(PIECE):
        digest.update(block)
    file.seek(0)
    found = cast(Callable, dataset.format)(file)
    for frame in [found] if found is None or isinstance(found, pd.DataFrame) else found:
        if not isinstance(frame, pd.DataFrame):
            raise Permanent(f"format() of {dataset.name} yields a {type(frame).__name__}: yield DataFrames.")
        dataset.check_names(frame.columns, "What format() yields")
        arrays = {}
        for column in dataset.columns:
            name = column.name
            there = frame[name] if name in frame else [None] * len(frame)
            try:
                cells = _texts(pa.array(there, from_pandas=True))
            except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):  # of several types
                cells = pa.array([_cell(each) for each in there], pa.string())
            if column.type == "date":  # which pandas and Excel have as its midnight
                cells = pc.replace_substring_regex(cells, r"[ T]00:00:00(\.0+)?$", "")
            arrays[name] = pc.if_else(pc.equal(cells, ""), None, cells)

        def text(row: int, frame=frame) -> bytes:
            return json.dumps(frame.iloc[row].to_dict(), default=str).encode()

        yield Piece(pa.table(arrays), np.arange(line, line + len(frame)), text, [])
        line += len(frame)


def _cell(value) -> str | None:
    if not pd.api.types.is_scalar(value):  # an object or array, as JSON
        return json.dumps(value, default=lambda more: more.tolist() if hasattr(more, "tolist") else str(more))
    return None if pd.isna(value) else str(value)


def _texts(values: pa.Array) -> pa.Array:
    texts = values.cast(pa.string())
    if pa.types.is_floating(values.type):  # pandas has whole numbers beside a missing one as 3.0 or 1e+16
        whole = pc.and_(pc.equal(pc.floor(values), values), pc.less(pc.abs(values), 2.0**53))
        texts = pc.coalesce(pc.if_else(whole, values, None).cast(pa.int64()).cast(pa.string()), texts)
    return texts


def _line_ends(content: bytes) -> int:
    return int(np.count_nonzero(np.frombuffer(content, np.uint8) == ord("\n")))  # faster than bytes.count


# How JSON may have the values of a type; what else there is, is looked at row by row.
JSON_TYPES: dict[str, Any] = {"number": float | str, "integer": int | str, "boolean": bool | int | str}
NOT_TEXT = {"number": pa.float64(), "integer": pa.int64(), "boolean": pa.bool_()}

_parse = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str).decode


class _Json:
    """JSON lines. msgspec parses what it reads as row by row would, which takes five times as long."""

    def __init__(self, dataset: Dataset):
        self._columns = dataset.columns
        self._names = [column.name for column in dataset.columns]
        fields: list[Any] = []  # which have numbers, for a column may have any name
        for column in dataset.columns:
            named = msgspec.field(name=column.name, default=None)
            fields.append((f"c{len(fields)}", JSON_TYPES.get(column.type, str | int) | None, named))
        self._rows = msgspec.json.Decoder(msgspec.defstruct("Row", fields, gc=False)).decode_lines

    def take(self, content: bytes, line: int, last: bool) -> tuple[Piece, int]:
        return self._at_once(content, line) or self._row_by_row(content, line), len(content)

    def _at_once(self, content: bytes, line: int) -> Piece | None:
        """The piece when each of its lines is an object whose columns have one type each, else None."""
        between = content.count(b"}\n{") + content.count(b"}\r\n{")
        if content[:1] != b"{" or between + 1 != _line_ends(content):
            return None
        try:
            content.decode()  # where nothing is read, msgspec takes what is no UTF-8
            rows, names = self._rows(content), set(_parse(content[: content.index(b"\n")].decode()))
        except (msgspec.DecodeError, ValueError, RecursionError):
            return None
        if len(rows) != between + 1:
            return None
        arrays, columns = [], zip(*map(msgspec.structs.astuple, rows), strict=True)
        for column, values in zip(self._columns, columns, strict=True):
            array = _alike(values, NOT_TEXT.get(column.type))
            if array is None:
                return None
            names |= {column.name} if array.null_count < len(array) else set()
            arrays.append(array)
        if any(column.name not in names for column in self._columns if not column.optional):
            return None  # whether a column is there, or always null, takes a look at each row
        lines = cache(lambda: content.split(b"\n"))  # when they are needed
        table = pa.Table.from_arrays(arrays, names=self._names)
        return Piece(table, np.arange(line, line + len(table)), lambda row: lines()[row], [], names)

    def _row_by_row(self, content: bytes, line: int) -> Piece:
        """What is no text there becomes text again, as it was written."""
        rows, lines, texts, broken, names = [], [], [], [], set()
        for number, text in enumerate(content.split(b"\n"), line):
            try:
                row: Any = _parse(text.decode("utf-8-sig" if number % LINES == 1 else "utf-8"))
                cells = [_string(name, row.get(name), text) for name in self._names]
                "".join(filter(None, cells)).encode()
            except UnicodeEncodeError:
                broken.append((number, "half of a surrogate pair is no character", text))
            except (ValueError, RecursionError, AttributeError):  # a list, or a value, has no get()
                if text.strip():
                    broken.append((number, "not an object in JSON", text))
            else:
                rows.append(cells)
                lines.append(number)
                texts.append(text)
                names |= row.keys()
        columns = zip(*rows, strict=True) if rows else [[]] * len(self._names)
        table = pa.Table.from_arrays([pa.array(cells, pa.string()) for cells in columns], names=self._names)
        return Piece(table, np.array(lines, np.int64), texts.__getitem__, broken, names)


def _alike(values: tuple, wanted: pa.DataType | None) -> pa.Array | None:
    """The values as they are wanted, or as text; None where they are of several types."""
    for kind in filter(None, (wanted, pa.string(), pa.int64())):
        try:
            array = pa.array(values, kind)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            continue
        if kind == pa.int64() != wanted:
            # An id, in digits; -0 is no other number than 0, but another text.
            array = None if pc.any(pc.equal(array, 0)).as_py() else array.cast(pa.string())
        return array if kind == wanted or array is None else pc.if_else(pc.equal(array, ""), None, array)
    return None


def _string(name: str, value, text: bytes) -> str | None:
    """The value as text: an object or array as it is in the row's text."""
    if isinstance(value, dict | list):
        return _members(text.decode("utf-8-sig"))[name]
    if isinstance(value, bool):
        return "true" if value else "false"
    return value or None


_MEMBER = re.compile(r'[\s,]*("(?:[^"\\]|\\.)*")\s*:\s*')


def _members(text: str) -> dict[str, str]:
    """The members of an object in JSON, their values as they are written."""
    found, at = {}, text.index("{") + 1
    while member := _MEMBER.match(text, at):
        at = json.JSONDecoder().raw_decode(text, member.end())[1]
        found[json.loads(member[1])] = text[member.end() : at]
    return found


def _cells(delimiter: bytes, quote: bytes) -> tuple[bytes, bytes, bytes]:
    """What cells look like: any, one on one line, and a quoted one without its end.

    A cell is quoted, bare or empty. On one line something may follow the closing quote, as pyarrow has it.
    Where the cell has line breaks, nothing may: that quote more likely opens another cell.
    """
    words = {b"d": re.escape(delimiter), b"q": re.escape(quote)}
    if not quote:
        return rb"[^%(d)s\r\n]*" % words, rb"[^%(d)s\r\n]*" % words, rb"(?!)"
    rest = rb"[^%(d)s\r\n]*" % words
    bare = rb"[^%(q)s%(d)s\r\n]" % words + rest
    quoted = rb"%(q)s[^%(q)s]*(?:%(q)s%(q)s[^%(q)s]*)*" % words
    on_line = rb"%(q)s[^%(q)s\n]*(?:%(q)s%(q)s[^%(q)s\n]*)*%(q)s" % words
    after = rb"(?:[^%(q)s%(d)s\r\n]" % words + rest + rb")?"
    return rb"(?:%s%s|%s|)" % (quoted, words[b"q"], bare), rb"(?:%s%s|%s|)" % (on_line, after, bare), quoted


class _Csv:
    def __init__(self, dataset: Dataset, names: list[str], header: bytes = b""):
        self._header = header.removeprefix(codecs.BOM_UTF8).strip(b"\r\n")
        self._again = re.compile(rb"(?:\A|\n)(?:\xef\xbb\xbf)?%s\r*\n" % re.escape(self._header))
        self._wanted = [column.name for column in dataset.columns]
        # Columns that nobody wants may have any name, even the same one.
        self._names = [name if name in self._wanted else f"\0{i}" for i, name in enumerate(names)]
        self._format = dataset.csv
        self._delimiter = dataset.csv.delimiter.encode()
        cell, line_cell, quoted = _cells(self._delimiter, dataset.csv.quote.encode())
        delimiter, others = re.escape(self._delimiter), len(names) - 1
        self._line = re.compile(rb"(?:%s%s){%d}%s\r*\n" % (line_cell, delimiter, others, line_cell))
        self._record = re.compile(rb"(?:%s%s){%d}%s\r*\n" % (cell, delimiter, others, cell))
        self._open = re.compile(rb"(?:%s%s)*%s\Z" % (cell, delimiter, quoted))
        self._quote = dataset.csv.quote.encode()
        self._quoted = re.compile(rb"%s%s" % (quoted, re.escape(self._quote)))

    def take(self, content: bytes, line: int, last: bool) -> tuple[Piece, int]:
        """As much of `content`, which ends with a line, as has whole records, and how many bytes that is."""
        piece = self._whole_lines(content, line)
        return (piece, len(content)) if piece else self._record_by_record(content, line, last)

    def _whole_lines(self, content: bytes, line: int) -> Piece | None:
        """The piece when each of its lines is one record of the right shape, else None."""
        if b"\r" in content and content.count(b"\r") != content.count(b"\r\n"):
            return None
        again = self._header and self._header in content and self._again.search(content)
        if again or not self._line.match(content, content.rfind(b"\n", 0, -1) + 1):  # it may end in quotes
            return None
        try:
            table = self._parse(content, newlines_in_values=False)
        except pa.ArrowInvalid:
            return None
        if table.num_rows != _line_ends(content):
            return None
        lines = cache(lambda: content.split(b"\n"))  # when they are needed
        return Piece(table, np.arange(line, line + table.num_rows), lambda row: lines()[row], [])

    def _record_by_record(self, content: bytes, line: int, last: bool) -> tuple[Piece, int]:
        """A record of the wrong shape costs its first line only: a forgotten quote may hold good ones."""
        good, lines, broken = [], [], []
        at = 0
        while at < len(content):
            match = self._line.match(content, at) or self._record.match(content, at)
            end = match.end() if match else content.index(b"\n", at) + 1
            record = content[at:end]
            reason = self._why(record, shape=match)
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
        table = self._parse(b"".join(good), newlines_in_values=True)
        if table.num_rows != len(good):
            raise AssertionError(f"{len(good)} records became {table.num_rows} rows")
        return Piece(table, np.array(lines, dtype=np.int64), good.__getitem__, broken), at

    def _why(self, record: bytes, shape) -> str:
        """What is wrong with a record: its shape, or its text, or "" for nothing."""
        if self._header and self._again.fullmatch(record):
            return "the header again"
        if shape:
            utf8 = record.decode(errors="ignore").encode() == record
            return "" if utf8 else f"the text is not {self._format.encoding.upper()}"
        if b"\r" in record.rstrip(b"\r\n"):
            return "a carriage return is inside the line"
        if self._quote and record.count(self._quote) % 2:
            return "a quote that the line does not close"
        columns = self._quoted.sub(b"", record).count(self._delimiter) + 1
        return f"{columns} columns instead of {len(self._names)}"

    def _parse(self, content: bytes, newlines_in_values: bool) -> pa.Table:
        """The dataset's columns as text, null where empty."""
        there = [name for name in self._wanted if name in self._names]
        if not content:
            return pa.table({name: pa.array([], pa.string()) for name in self._wanted})
        size = len(content) + 64 if newlines_in_values else 2**20  # a record must fit; small ones are faster
        table = csv.read_csv(
            pa.BufferReader(content),
            # parquet.prefetched has a thread for all this.
            csv.ReadOptions(use_threads=False, column_names=self._names, block_size=size),
            csv.ParseOptions(
                delimiter=self._format.delimiter,
                quote_char=self._format.quote or False,
                newlines_in_values=newlines_in_values and bool(self._format.quote),
            ),
            csv.ConvertOptions(
                column_types=dict.fromkeys(self._names, pa.string()),
                include_columns=there,
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
        nothing = pa.nulls(table.num_rows, pa.string())
        return pa.table({name: table[name] if name in there else nothing for name in self._wanted})
