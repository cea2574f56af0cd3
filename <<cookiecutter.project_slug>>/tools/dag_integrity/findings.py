"""A finding is one line: where, which rule, what is wrong, what to write instead."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, order=True)
class Finding:
    """One broken rule at one place.

    `file` is relative to the repository, `line` counts from 1, `rule` is an id from `rules.py`, `wrong` and
    `write` are sentences on one line, `dag_id` is empty where the finding concerns the file as a whole.
    """

    file: str
    line: int
    rule: str
    wrong: str
    write: str
    dag_id: str = ""

    def __post_init__(self) -> None:
        for name in ("wrong", "write"):
            object.__setattr__(self, name, " ".join(str(getattr(self, name)).split()).rstrip("."))

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.rule}: {self.wrong}. {self.write}."

    def as_dict(self) -> dict:
        return asdict(self)


def some(names, limit: int = 4) -> str:
    """The first few of the names, and how many there are beyond them."""
    names = list(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(str(name) for name in names[:limit]) + more
