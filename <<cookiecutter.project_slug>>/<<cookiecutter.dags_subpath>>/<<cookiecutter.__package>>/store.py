"""Files under data_root, on a disk or in an object store: whole or absent, whatever happens meanwhile."""

import contextlib
import fcntl
import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

ONE_REQUEST = 16 * 2**20  # bytes; up to here an object is fetched as a whole, not range by range


class Store:
    """The folder that `url` points at; every path is relative to it."""

    def __init__(self, url: str):
        self.url = url.rstrip("/")
        self.on_disk = self.url.startswith("file://")
        if self.on_disk:
            # The same file system that ObjectStoragePath would give, without importing Airflow.
            from fsspec.implementations.local import LocalFileSystem

            self.fs, self._root = LocalFileSystem(), self.url.removeprefix("file://")
        else:
            from airflow.sdk import ObjectStoragePath

            root = ObjectStoragePath(self.url)
            self.fs, self._root = root.fs, root.path.rstrip("/")

    def full(self, path: str) -> str:
        return f"{self._root}/{path}"

    def exists(self, path: str) -> bool:
        self.fs.invalidate_cache()
        return self.fs.isfile(self.full(path))

    def open(self, path: str):
        """A binary, seekable file; FileNotFoundError when there is none."""
        file = self.fs.open(self.full(path), "rb")
        if self.on_disk:
            return file
        if file.size <= ONE_REQUEST:
            with file:
                return io.BytesIO(file.read())
        # What an object store's file system gives lacks a part of Python's files: readline(size).
        return io.BufferedReader(file)

    def read(self, path: str) -> bytes:
        """The whole file, in one request: between two of them it may be replaced."""
        if not self.on_disk:
            return self.fs.cat_file(self.full(path))
        with self.open(path) as file:
            return file.read()

    def write(self, path: str, content: bytes) -> None:
        with self.writing(path) as sink:
            sink.write(content)

    @contextlib.contextmanager
    def writing(self, path: str) -> Iterator["Sink"]:
        """A Sink that becomes `path` when the block ends, and leaves nothing when it fails.

        Call sink.rename(name) inside the block to choose the file's name after its content is known.
        """
        folder = Path(self.full(path)).parent if self.on_disk else Path(tempfile.gettempdir())
        if self.on_disk:
            folder.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(prefix=".", suffix=".part", dir=folder)
        try:
            with open(descriptor, "w+b") as file:
                sink = Sink(file, path)
                yield sink
                file.flush()
                if self.on_disk:
                    os.fsync(file.fileno())
            if sink.dropped:
                return
            if self.on_disk:
                os.chmod(draft, 0o666 & ~_umask())
                os.replace(draft, self.full(sink.path))
            else:
                self.fs.put_file(draft, self.full(sink.path))
        finally:
            Path(draft).unlink(missing_ok=True)

    def move(self, source: str, target: str) -> None:
        """Atomic on a disk; in an object store the target appears whole, then the source goes."""
        if self.on_disk:
            Path(self.full(target)).parent.mkdir(parents=True, exist_ok=True)
            os.replace(self.full(source), self.full(target))
        else:
            self.fs.copy(self.full(source), self.full(target))
            self.fs.rm_file(self.full(source))

    def files(self, folder: str) -> list[str]:
        """Paths of all files below `folder`, sorted; none when it does not exist."""
        self.fs.invalidate_cache()
        found = self.fs.find(self.full(folder))
        return sorted(path.removeprefix(self.full("")) for path in found)

    def remove(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.fs.rm_file(self.full(path))

    def remove_folder(self, folder: str) -> None:
        """Remove a folder that others may still write into: on a disk it is out of their reach first."""
        with contextlib.suppress(FileNotFoundError):
            if self.on_disk:
                dropped = f"{self.full(folder)}.dropped"
                shutil.rmtree(dropped, ignore_errors=True)
                os.rename(self.full(folder), dropped)
                shutil.rmtree(dropped)
            else:
                self.fs.rm(self.full(folder), recursive=True)

    @contextlib.contextmanager
    def locked(self, folder: str) -> Iterator[None]:
        """One process at a time per folder, on a disk; the system drops the lock of a process that dies.

        An object store has no such lock: there, what must not be mixed is decided by one atomic write.
        """
        if not self.on_disk:
            yield
            return
        path = self.full(folder)
        os.makedirs(path, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


class Sink:
    """A binary file that is being written: counts and hashes what goes in, and can go back to a mark."""

    def __init__(self, file, path: str):
        self._file = file
        self._hash = hashlib.sha256()
        self.path = path
        self.bytes = 0
        self.dropped = False

    # What pyarrow asks of a file.
    closed = False

    def flush(self) -> None:
        self._file.flush()

    def tell(self) -> int:
        return self.bytes

    def write(self, content) -> int:
        self._hash.update(content)
        self.bytes += len(content)
        return self._file.write(content)

    def mark(self) -> tuple:
        return self.bytes, self._hash.copy()

    def rewind(self, mark: tuple) -> None:
        """Forget everything written since `mark`."""
        self.bytes, self._hash = mark[0], mark[1].copy()
        self._file.seek(self.bytes)
        self._file.truncate()

    def rename(self, name: str) -> str:
        """Give the file another name in its folder; its path then."""
        self.path = f"{self.path.rpartition('/')[0]}/{name}"
        return self.path

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
