"""The report of make data-diff, as Markdown that GitHub and GitLab show. What comes from data is in code spans."""

from collections.abc import Iterable, Sequence
from typing import Any

from etl_tools.local.data_diff.compare import Compared
from etl_tools.local.look.facts import COUNTS

LONGEST = 60  # characters of a value
MOST = 50  # lines of a table
NOTHING = """\
**Nothing was compared**: no DAG that this change reaches wrote a dataset on a sample day.
A sample is a file of rows, like `tests/orders_sample/2018-02-01.jsonl` (`make new-dag` writes one),
or days that a DAG offers by itself: `params=tasks.params(days=["2018-02-01"])`."""
LOCKS = ("requirements.lock", "requirements-image.lock")


def markdown(base: str, changed: set[str], sides: list[dict[str, Any]], datasets: list[Compared]) -> str:
    """The whole report; sides: what ran and what did not, before and after."""
    lines = ["## What changes in the data", ""]
    ran = sorted(sides[0]["ran"].keys() & sides[1]["ran"].keys())
    reached = any(some for side in sides for some in side.values())
    lines += [f"This checkout beside {base[:12]}, where it left the other branch, on sample days.", ""]
    none = "none" if reached else "none, for the change reaches no DAG"
    lines += [f"- DAGs that ran on both sides: {', '.join(map(code, ran)) or none}", *others(sides)]
    if locks := sorted(changed & set(LOCKS)):
        lines.append(f"- {', '.join(locks)} changed: both sides ran with the packages that are installed here.")
    lines.append("")
    if reached and not compared_any(datasets):
        lines.append(NOTHING)
    elif ran and not any(dataset.differs for dataset in datasets):
        days = sum(len(dataset.days) for dataset in datasets)
        lines.append(
            f"No row, reject or value differs, in {days} days of {', '.join(code(one.name) for one in datasets)}."
        )
    for dataset in datasets:
        if dataset.differs:
            lines += [f"### {code(dataset.name)}", "", *one(dataset)]
    return "\n".join(lines) + "\n"


def compared_any(datasets: list[Compared]) -> bool:
    """Whether there was a day on a side, or a reason why there is none."""
    return any(dataset.days or dataset.differs for dataset in datasets)


def others(sides: list[dict[str, Any]]) -> list[str]:
    """A line for each DAG that did not run, or ran on one side alone."""
    lines = []
    before, after = sides
    for when, side in (("Before", before), ("Now", after)):
        if "" in side["failed"]:
            lines.append(f"- **{when} nothing could be run**: {code(side['failed'][''], 400)}")
    for name in sorted({*before["failed"], *after["failed"]} - {""}):
        which = f"**{code(name)}**"
        if name in after["failed"]:
            did = name in {*before["ran"], *before["ran"].values()}
            worse = "ran before, and **fails now**" if did else "does not run"
            lines.append(f"- {which} {worse}: {code(after['failed'][name], 400)}")
        else:
            state = "runs now" if name in after["ran"] else "is gone"
            lines.append(f"- {which} {state}; before it did not run: {code(before['failed'][name], 400)}")
    for name in sorted({*before["left"], *after["left"]}):
        why = after["left"].get(name) or before["left"][name]
        lines.append(f"- {code(name)} was not run: {why}.")
    for name in sorted(before["ran"].keys() ^ after["ran"].keys()):
        names = {name, before["ran"].get(name)}  # a file that cannot be imported is above, by its own name
        if all(names.isdisjoint(side[kind]) for side in sides for kind in ("failed", "left")):
            lines.append(f"- {code(name)} is {'gone' if name in before['ran'] else 'new'}.")
    return lines


def one(dataset: Compared) -> list[str]:
    lines = [f"- {problem}" for problem in dataset.problems]
    days = [(day, sides) for day, sides in sorted(dataset.days.items()) if sides[0] != sides[1]]
    rows = [(day, *(counts_of(name, *sides) for name in COUNTS)) for day, sides in days]
    lines += table(("Day", *(name.replace("_", " ") for name in COUNTS)), rows)
    reasons = [
        (code(words, 120), arrow(*pair)) for words, pair in sorted(dataset.reasons.items()) if pair[0] != pair[1]
    ]
    lines += table(("Reason of rejected rows", "Rows"), reasons)
    columns = []
    for name, column in dataset.columns.items():
        if column.differs:
            before, after, day = column.example or (None, None, "")
            example = f"{code(before)} → {code(after)} ({day})" if day else ""
            values = f"{column.changed:,} of {column.rows:,}" if all(column.types) else ""
            columns.append((code(name), types(*column.types), values, example))
    return lines + table(("Column", "Type", "Values that differ", "For example"), columns)


def types(before: str, after: str) -> str:
    if before == after:
        return before
    return f"new: {after}" if not before else f"gone (was {before})" if not after else f"{before} → {after}"


def counts_of(name: str, before: dict[str, int] | None, after: dict[str, int] | None) -> str:
    return arrow(*(None if side is None else side.get(name, 0) for side in (before, after)))


def arrow(before: int | None, after: int | None) -> str:
    words = ["none" if side is None else f"{side:,}" for side in (before, after)]
    return words[0] if before == after else f"**{words[0]} → {words[1]}**"


def table(head: Iterable[str], rows: Sequence[tuple[str, ...]]) -> list[str]:
    if not rows:
        return []
    names = list(head)
    lines = ["| " + " | ".join(cells) + " |" for cells in (names, ["---"] * len(names), *rows[:MOST])]
    if len(rows) > MOST:
        lines += ["", f"and {len(rows) - MOST:,} more."]
    return [*lines, ""]


def code(value: object, longest: int = LONGEST) -> str:
    """The value as a code span of one line: nothing in it is Markdown, HTML, or another cell."""
    text = "".join(letter if letter.isprintable() else " " for letter in str(value)).replace("`", "'").replace("|", "¦")
    text = text if len(text) <= longest else text[: longest - 1] + "…"
    return f"`{text}`" if text.strip() else "` `"
