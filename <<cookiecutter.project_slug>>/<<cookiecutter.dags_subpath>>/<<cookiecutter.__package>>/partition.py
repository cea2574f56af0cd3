"""One day of a dataset: several files, and a manifest that names those that belong together.

Files are staged out of readers' sight, put in place under names made of their content, and count from the
moment the manifest, written last and in one piece, names them. Readers go by the manifest: they see the old
day or the new one. When two runs work on the same day, the one that started last owns it; what the other one
made is dropped.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

from << cookiecutter.__package >>.errors import Permanent, Superseded
from << cookiecutter.__package >>.store import Sink, Store

MANIFEST = "_manifest.json"


@dataclass(frozen=True)
class Partition:
    """`folders[0]` holds the manifest, which names the day's files in all `folders`."""

    store: Store
    dataset: str
    day: str
    folders: tuple[str, ...]

    def folder(self, folder: str) -> str:
        return f"{folder}/{self.dataset}/partition_date={self.day}"

    @property
    def manifest_path(self) -> str:
        return f"{self.folder(self.folders[0])}/{MANIFEST}"

    @property
    def _staging(self) -> str:
        return f"staging/{self.folder(self.folders[0])}"

    def manifest(self) -> dict | None:
        """What belongs to the day, or None when it was never published."""
        try:
            return json.loads(self.store.read(self.manifest_path))
        except FileNotFoundError:
            return None

    def begin(self, run_id: str) -> None:
        """Take the day over for this run; what other runs have staged is dropped."""
        with self._locked():
            self.store.remove_folder(self._staging)
            self.store.write(f"{self._staging}/owner", _token(run_id))

    @contextlib.contextmanager
    def staging(self, run_id: str, folder: str, stem: str, suffix: str) -> Iterator["Staged"]:
        """Write one file; `.entry` of what is yielded goes to publish()."""
        staged = Staged()
        path = self._staged(run_id, folder, stem)
        try:
            with self.store.writing(path) as sink:
                staged.sink = sink
                yield staged
                if not sink.dropped:
                    name = f"{stem}-{sink.sha256[:12]}{suffix}"
                    path = sink.rename(name)
                    staged.entry = {
                        "folder": folder,
                        "name": name,
                        "bytes": sink.bytes,
                        "sha256": sink.sha256,
                    }
        except FileNotFoundError:
            self._require_ownership(run_id)  # else another run has dropped the folder meanwhile
            raise
        try:
            self._require_ownership(run_id)
        except Superseded:
            self.store.remove(path)
            raise

    def open_staged(self, run_id: str, entry: dict):
        """A staged file for reading, also when a publish() that crashed has put it in place already."""
        for path in (self._staged(run_id, entry["folder"], entry["name"]), self.path(entry)):
            with contextlib.suppress(FileNotFoundError):
                return self.store.open(path)
        self._require_ownership(run_id)
        raise Permanent(self._not_staged(entry))

    def publish(self, run_id: str, files: list[dict], facts: dict) -> dict:
        """Make `files` (entries of staging()) the day's content, drop all else, return the manifest.

        A crash before the manifest is written leaves the old day; after any crash, call this again.
        """
        manifest = {"dataset": self.dataset, "partition": self.day, **facts, "files": files}
        content = json.dumps(manifest, indent=1, sort_keys=True).encode() + b"\n"
        with self._locked():
            if not (self.store.exists(self.manifest_path) and self.store.read(self.manifest_path) == content):
                self._require_ownership(run_id)
                for entry in files:
                    self._put_in_place(run_id, entry)
                self.store.write(f"{self._staging}/{MANIFEST}", content)
                self.store.move(f"{self._staging}/{MANIFEST}", self.manifest_path)
            self._drop_all_but(files)
            if self._owned_by(run_id):
                self.store.remove_folder(self._staging)
        return manifest

    def path(self, entry: dict) -> str:
        return f"{self.folder(entry['folder'])}/{entry['name']}"

    def _put_in_place(self, run_id: str, entry: dict) -> None:
        try:
            self.store.move(self._staged(run_id, entry["folder"], entry["name"]), self.path(entry))
        except FileNotFoundError:
            # A crashed attempt may have moved it already.
            if not self.store.exists(self.path(entry)):
                raise Permanent(self._not_staged(entry)) from None

    def _drop_all_but(self, files: list[dict]) -> None:
        keep = {self.path(entry) for entry in files} | {self.manifest_path}
        for folder in self.folders:
            for path in self.store.files(self.folder(folder)):
                if path not in keep:
                    self.store.remove(path)

    def _staged(self, run_id: str, folder: str, name: str) -> str:
        return f"{self._staging}/{_token(run_id).decode()}/{folder}/{name}"

    def _not_staged(self, entry: dict) -> str:
        return f"{entry['name']} of {self.day} is not staged any more: clear the whole run."

    def _locked(self):
        return self.store.locked(self.folder(self.folders[0]))

    def _require_ownership(self, run_id: str) -> None:
        if not self._owned_by(run_id):
            raise Superseded(f"Another run of {self.day} started later and took over.")

    def _owned_by(self, run_id: str) -> bool:
        try:
            return self.store.read(f"{self._staging}/owner") == _token(run_id)
        except FileNotFoundError:
            return False


class Staged:
    """A file on its way: write to `.sink`, or drop() it; `.entry` is there once the block has ended."""

    sink: Sink
    entry: dict

    def drop(self) -> None:
        self.sink.dropped = True


def _token(run_id: str) -> bytes:
    # Run ids hold colons and plus signs, which not every file system likes.
    return hashlib.sha256(run_id.encode()).hexdigest()[:16].encode()
