"""Rows that break the contract: written down in full, with the reason, and counted by rule."""

import json
from collections.abc import Iterable

from << cookiecutter.__package >>.cleaning import Problem

SAMPLES = 3  # values shown per rule
SHOWN = 5  # rules named in a message


class RejectWriter:
    """Writes rejected rows to `sink` as JSON lines: file, line, reason, and the row as it stood there.

    Bytes that are not UTF-8 appear as \\\\xNN.
    """

    def __init__(self, sink, file: str):
        self._sink, self._file = sink, file
        self._rules: dict[tuple[str, str], dict] = {}
        self.rows = 0

    def __call__(self, line: int, problems: list[Problem], text: bytes) -> None:
        row = {
            "file": self._file,
            "line": line,
            "reason": "; ".join(describe(*problem) for problem in problems),
            "row": text.decode(errors="backslashreplace"),
        }
        self._sink.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        self.rows += 1
        for column, value, rule in problems:
            found = self._rules.setdefault((column, rule), {"rows": 0, "samples": []})
            found["rows"] += 1
            if len(found["samples"]) < SAMPLES:
                found["samples"].append(value or row["row"][:40])

    @property
    def rules(self) -> list[dict]:
        """The broken rules: column, rule, rows, samples; most rows first."""
        return merge_rules([{"column": c, "rule": r, **found} for (c, r), found in self._rules.items()])


def describe(column: str, value: str, rule: str) -> str:
    return " ".join(word for word in (column, repr(value) if value else "", rule) if word)


def merge_rules(rules: Iterable[dict]) -> list[dict]:
    """The rules of several files as those of one, most rows first."""
    merged: dict[tuple[str, str], dict] = {}
    for rule in rules:
        found = merged.setdefault((rule["column"], rule["rule"]), {**rule, "rows": 0, "samples": []})
        found["rows"] += rule["rows"]
        found["samples"] = (found["samples"] + rule["samples"])[:SAMPLES]
    return sorted(merged.values(), key=lambda rule: (-rule["rows"], rule["column"], rule["rule"]))


def in_words(rules: list[dict]) -> str:
    """The rules that most rows broke: column, rule, number of rows and some of the values."""
    return " ".join(
        f"{rule['column'] or 'line'} {rule['rule']}: {rule['rows']} rows ({', '.join(rule['samples'])})."
        for rule in rules[:SHOWN]
    )
