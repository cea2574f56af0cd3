"""Remembers what was found in files that have not changed, and in nothing that they depend on."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sysconfig
from pathlib import Path

from .findings import Finding
from .source import Comment
from .static import Read


class Cache:
    """A JSON file of entries by path. Each holds the hashes of all files that it was made from."""

    def __init__(self, path: Path, root: Path, policy_text: str) -> None:
        self.path, self.root = path, root
        self.key = _surroundings(policy_text)
        self.hashes: dict[str, str] = {}
        self.entries: dict[str, dict] = {}
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            if stored["key"] == self.key:
                self.entries = stored["entries"]
        except (OSError, ValueError, KeyError):
            pass  # no cache, or not one of ours: everything is checked

    def get(self, path: Path) -> dict | None:
        """What was found in this file, if it and all that it depends on are as they were."""
        entry = self.entries.get(self._name(path))
        if entry is None or any(self._hash(name) != value for name, value in entry["made_from"].items()):
            return None
        return entry

    def put(self, path: Path, made_from: list[str], entry: dict) -> dict:
        """Remember an entry for the file, made from these files and directories (absolute paths)."""
        names = {self._name(Path(p)) for p in [str(path), *made_from]}
        entry["made_from"] = {name: self._hash(name) for name in sorted(names)}
        self.entries[self._name(path)] = entry
        return entry

    def drop(self, path: Path) -> None:
        self.entries.pop(self._name(path), None)

    def save(self, present: list[Path]) -> None:
        """Write the entries of the files that are still there, whole or not at all."""
        names = {self._name(path) for path in present}
        entries = {name: entry for name, entry in self.entries.items() if name in names}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        beside.write_text(json.dumps({"key": self.key, "entries": entries}), encoding="utf-8")
        beside.replace(self.path)

    def _name(self, path: Path) -> str:
        return os.path.relpath(path, self.root)

    def _hash(self, name: str) -> str:
        if name not in self.hashes:
            path = self.root / name
            try:
                content = "\n".join(sorted(os.listdir(path))).encode() if path.is_dir() else path.read_bytes()
                self.hashes[name] = hashlib.sha256(content).hexdigest()[:32]
            except OSError:
                self.hashes[name] = "missing"
        return self.hashes[name]


def _surroundings(policy_text: str) -> str:
    """A hash of what all findings depend on: the policy, these checks, Python, the packages."""
    site = Path(sysconfig.get_path("purelib"))
    parts = [policy_text, platform.python_version(), platform.platform()]
    parts += sorted(name for name in os.listdir(site) if name.endswith(".dist-info"))
    parts += [path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("*.py"))]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def pack(read: Read, findings: list[Finding], dags=(), milliseconds: float = 0) -> dict:
    """An entry for JSON."""
    return {
        "findings": [finding.as_dict() for finding in findings],
        "exemptions": [comment._asdict() for comment in read.exemptions],
        "makes_dags": read.makes_dags,
        "dags": list(dags),
        "milliseconds": milliseconds,
    }


def unpack(entry: dict) -> tuple[list[Finding], list[Comment]]:
    """The findings and exemption comments of an entry."""
    return [Finding(**f) for f in entry["findings"]], [Comment(**c) for c in entry["exemptions"]]
