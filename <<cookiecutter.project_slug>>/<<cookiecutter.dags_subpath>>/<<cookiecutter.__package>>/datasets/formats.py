"""What raw files look like, and how they are opened as UTF-8. Nothing heavy is imported."""

import codecs
import gzip
import io
import zipfile
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from .settings import Permanent

BLOCK = 2**20
BROKEN = (EOFError, gzip.BadGzipFile, zlib.error, zipfile.BadZipFile, UnicodeError)  # while it is read


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


def opened(file: BinaryIO, encoding: str = "utf-8", digest=None) -> BinaryIO:
    """The file as UTF-8, out of its gzip or zip if it is one; one of BROKEN while it is read, or Permanent.

    Bytes that are no text in its encoding stay what they are. digest: of hashlib; it gets the file's bytes.
    """
    start = file.read(4)
    file.seek(0)
    if start == b"PK\x03\x04":
        while digest and (block := file.read(BLOCK)):
            digest.update(block)
        archive = zipfile.ZipFile(file)
        if len(members := [name for name in archive.namelist() if not name.endswith("/")]) != 1:
            raise Permanent(f"The zip has {len(members)} files instead of one: {', '.join(members)[:200]}.")
        plain: Any = archive.open(members[0])
    else:
        plain = io.BufferedReader(_Hashed(file, digest), BLOCK)
        if start[:2] == b"\x1f\x8b":
            plain = gzip.GzipFile(fileobj=plain)
    same = codecs.lookup(encoding).name == "utf-8"
    return plain if same else cast(BinaryIO, io.BufferedReader(_Recoded(plain, encoding), BLOCK))


class _Hashed(io.RawIOBase):
    def __init__(self, file, digest):
        self._file, self._digest = file, digest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        size = self._file.readinto(buffer)
        if self._digest:
            self._digest.update(buffer[:size])
        return size


class _Recoded(io.RawIOBase):
    def __init__(self, file, encoding: str):
        self._file, self._left = file, b""
        wide = codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))
        self._decoder = codecs.getincrementaldecoder(encoding)("strict" if wide else "surrogateescape")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        block = b"start"
        while not self._left and block:
            block = self._file.read(BLOCK)
            self._left = self._decoder.decode(block, final=not block).encode("utf-8", "surrogateescape")
        taken, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)
