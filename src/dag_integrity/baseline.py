"""What was there when the checks came: recorded in a file, so that later only what is new is reported."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from .model import Finding, PolicyError, Report

VERSION = 1
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


class Known(NamedTuple):
    """What a finding is known by: neither lines nor times, which change by themselves."""

    file: str
    rule: str
    wrong: str


def known_by(one: Finding) -> Known:
    return Known(one.file, one.rule, NUMBER.sub("#", one.wrong))


def record(path: Path, report: Report) -> None:
    """Write down what is there now."""
    counted = sorted(Counter(map(known_by, report.findings)).items())
    entries = [json.dumps([*one, number], ensure_ascii=False) for one, number in counted]
    text = ",\n  ".join(entries)
    path.write_text(f'{{"version": {VERSION}, "findings": [\n  {text}\n]}}\n', encoding="utf-8")


def read(path: Path) -> Counter[Known]:
    """What was recorded. Raises PolicyError where the file is no baseline."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != VERSION:
            raise ValueError("of another version of these checks")
        return Counter({Known(file, rule, wrong): int(number) for file, rule, wrong, number in content["findings"]})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PolicyError(f"{path.name} is no baseline ({error}): remove it and run --baseline again.") from None


def only_new(report: Report, known: Counter[Known], whole: bool = True) -> Report:
    """The report without what is known; with what has gone, where the whole repository was checked."""
    left, new = Counter(known), []
    for one in report.findings:
        if left[known_by(one)] > 0:
            left[known_by(one)] -= 1
        else:
            new.append(one)
    gone = [f"{one.file}: {one.rule}: {one.wrong}" for one, number in sorted(left.items()) for _ in range(number)]
    hidden = len(report.findings) - len(new)
    return report._replace(findings=new, known=hidden, gone=tuple(gone) if whole else ())
