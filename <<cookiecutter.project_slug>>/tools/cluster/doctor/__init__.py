"""What is between this checkout and its DAGs in the cluster: `make doctor`, and what stops `make deploy`."""

from dataclasses import dataclass


@dataclass
class Finding:
    """One line of the report: ``ok`` is True, False, or None if it could not be looked at.

    ``blocks``: with this a deploy would end badly, so `make deploy` stops before it changes anything.
    """

    ok: bool | None
    what: str
    fix: str = ""
    blocks: bool = False


def fine(what: str) -> Finding:
    return Finding(True, what)


def broken(what: str, fix: str, blocks: bool = True) -> Finding:
    return Finding(False, what, fix, blocks)


def unknown(what: str, fix: str = "") -> Finding:
    return Finding(None, what, fix)


def offline_findings() -> list[Finding]:
    """Return what is broken as far as this checkout shows it, without a server or a cluster."""
    from tools.cluster.doctor.__main__ import OFFLINE, findings

    return [finding for check in OFFLINE for finding in findings(check) if finding.ok is False]
