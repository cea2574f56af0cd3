"""Files below data_root, on a disk or in an object store: whole or absent, whatever happens meanwhile.

And raw ones as UTF-8, out of their gzip or zip. Nothing heavy is imported.
"""

import codecs
import contextlib
import gzip
import io
import os
import tempfile
import time
import uuid
import zipfile
import zlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, cast

from .settings import Permanent

BLOCK = 2**20
BROKEN = (EOFError, gzip.BadGzipFile, zlib.error, zipfile.BadZipFile, UnicodeError)  # while it is read
LINES = 2**40  # more than any file has: a row's place is its file's number, times this, and its line
DRAFTS_KEPT = 24 * 3600  # seconds; an older draft is what a killed process has left
OURS: set[Path] = set()  # drafts that this process is writing
CHANGED = ("mtime", "LastModified", "last_modified", "updated")  # what file systems call it


class Store:
    """The folder that `url` points at; every path is relative to it."""

    def __init__(self, url: str):
        self.url = url.rstrip("/")
        self.on_disk = self.url.startswith("file://")
        if self.on_disk:
            # The same file system that ObjectStoragePath would give, without importing Airflow.
            from fsspec.implementations.local import LocalFileSystem

            self._fs, self._root = LocalFileSystem(), self.url.removeprefix("file://")
        else:
            from airflow.sdk import ObjectStoragePath

            root = ObjectStoragePath(self.url)
            self._fs, self._root = root.fs, root.path.rstrip("/")

    @property
    def drafts_kept(self) -> timedelta:
        return timedelta(seconds=DRAFTS_KEPT)

    def full(self, path: str) -> str:
        return f"{self._root}/{path}"

    def open(self, path: str) -> BinaryIO:
        """A binary file to read; FileNotFoundError when there is none, OSError when it is replaced."""
        self._fs.invalidate_cache()
        # What an object store's file system gives lacks a part of Python's files: readline(size).
        return io.BufferedReader(cast(io.RawIOBase, self._fs.open(self.full(path), "rb")))

    def read(self, path: str) -> bytes:
        """All of a file, as it was at one moment."""
        return cast(bytes, self._fs.cat_file(self.full(path)))

    @contextlib.contextmanager
    def writing(self, path: str) -> Iterator[BinaryIO]:
        """A binary file that takes the place of `path` when the block ends, and is gone when it fails.

        A disk renames a file that is beside it, an object store gets it in one put: readers see the old file
        or the new one.
        """
        target = Path(self.full(path))
        folder = Path(tempfile.gettempdir())
        if self.on_disk:
            # Above a folder that is not there yet: what fails leaves none.
            folder = target.parent if target.parent.is_dir() else target.parent.parent
            folder.mkdir(parents=True, exist_ok=True)
            for old in (*target.parent.glob(".*.part"), *target.parent.parent.glob(".*.part")):
                with contextlib.suppress(FileNotFoundError):  # another process removes it, too
                    if old not in OURS and time.time() - old.stat().st_mtime > DRAFTS_KEPT:
                        old.unlink()
        # Readers' patterns, like *.parquet, do not match this name.
        draft = folder / f".{target.name}.{uuid.uuid4().hex}.part"
        OURS.add(draft)
        try:
            with open(draft, "x+b") as file:
                yield file
                file.flush()
                if self.on_disk:
                    os.fsync(file.fileno())
            if self.on_disk:
                target.parent.mkdir(exist_ok=True)
                os.replace(draft, target)
            else:
                self._fs.put_file(str(draft), self.full(path))
        finally:
            draft.unlink(missing_ok=True)
            OURS.discard(draft)

    def files(self, folder: str) -> dict[str, tuple]:
        """The files in `folder` by name: when each was changed, and what else changes with its content."""
        self._fs.invalidate_cache()
        files = {}
        for path, info in cast(dict, self._fs.find(self.full(folder), maxdepth=1, detail=True)).items():
            name = path.rpartition("/")[2]
            if not name.startswith("."):
                changed = next(info[word] for word in CHANGED if word in info)
                files[name] = (changed, info["size"], info.get("ETag") or info.get("etag") or info.get("ino"))
        return files

    def partitions(self, folder: str) -> list[str]:
        """The keys of the partitions in `folder`, in order."""
        self._fs.invalidate_cache()
        try:
            paths = cast(list[str], self._fs.ls(self.full(folder), detail=False))
        except FileNotFoundError:
            return []
        names = (path.rstrip("/").rpartition("/")[2] for path in paths)
        return sorted(name.partition("=")[2] for name in names if name.startswith("partition_date="))

    def remove(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(self.full(path))


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
