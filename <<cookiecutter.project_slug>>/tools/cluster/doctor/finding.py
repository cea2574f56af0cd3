"""What a check of `make doctor` finds."""

from dataclasses import dataclass


@dataclass
class Finding:
    """One line of the report: ``ok`` is True, False, or None if it could not be looked at."""

    ok: bool | None
    what: str
    cure: str = ""


def fine(what: str) -> Finding:
    return Finding(True, what)


def broken(what: str, cure: str) -> Finding:
    return Finding(False, what, cure)


def unknown(what: str, cure: str = "") -> Finding:
    return Finding(None, what, cure)
