"""The page of `make look`: one HTML file with its pictures in it. No script, and nothing is loaded.

All that comes from data goes through text(), also what looks harmless.
"""

import html
import io
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from etl_tools.local.look.facts import COUNTS, Dataset, Range, Reason

MOST = 200_000  # bytes; of days that would go beyond it, the oldest are left out of their table, and counted
COLOURS = dict(zip(COUNTS, ("#2a78b5", "#8fbc5a", "#b9b9b9", "#d1495b"), strict=True))
BINS = 60  # pieces of a column's picture
WIDE, HIGH = 180, 22  # of a column's picture
CUT = 160  # characters of a rejected row
STYLE = """
:root{color-scheme:light}
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem;color:#222;background:#fff}
h2{border-bottom:1px solid #ccc;margin-top:2.5rem}h3{margin-bottom:.3rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.15rem .6rem .15rem 0}
th{border-bottom:1px solid #bbb}td.n,th.n{text-align:right}code{font-size:13px;overflow-wrap:anywhere}
figure{margin:0}figure svg{width:100%}.bad{color:#a4243b}.dim{color:#666}
svg{max-width:100%;height:auto}summary{cursor:pointer;margin:.6rem 0}
.bar{display:inline-block;height:.7em;background:#d1495b}
.key{display:inline-block;width:.8em;height:.8em;margin:0 .3em 0 1em}
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def text(value: object) -> str:
    """The value as HTML; what cannot be seen, like a zero byte or a mark that turns the line round, is ?."""
    plain = "".join(letter if letter.isprintable() else "\ufffd" for letter in str(value))
    return html.escape(plain)


def page(title: str, made: str, datasets: Sequence[Dataset]) -> str:
    """The whole page, of MOST bytes or less."""
    links = " · ".join(f'<a href="#{text(dataset.name)}">{text(dataset.name)}</a>' for dataset in datasets)
    head = f"<h1>{text(title)}</h1><p>{links}<p class=dim>{text(made)}"
    parts = [section(dataset) for dataset in datasets]
    room = MOST - len((STYLE + head + "".join(parts)).encode(errors="backslashreplace")) - 1_000
    body = "".join(
        part + days_table(dataset, room // len(datasets)) for part, dataset in zip(parts, datasets, strict=True)
    )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{text(title)}</title><style>{STYLE}</style>{head}{body}</html>\n"
    )


def section(dataset: Dataset) -> str:
    """All of a dataset but the table of its days."""
    days, period = dataset.days, dataset.period
    parts = [f'<h2 id="{text(dataset.name)}">{text(dataset.name)}</h2>', summary(dataset)]
    if days:
        parts += [f"<h3>Rows by {period}</h3>", legend(dataset), rows_by_day(dataset)]
    parts += [reasons("Rejected rows", dataset.reasons, period, dataset.unread)]
    parts += [reasons(f"{period.title()}s that were not published: their rejected rows", dataset.failed, period)]
    if dataset.schema is not None:
        parts += ["<h3>Columns</h3>", columns(dataset)]
    if days:
        parts += [f"<h3>What the {period}s were made of</h3>", origins(dataset)]
    return "".join(parts)


def summary(dataset: Dataset) -> str:
    days = dataset.days
    lines = []
    if days:
        size = sum(day.size for day in days) / 1e6
        span = f"{text(days[0].day)} to {text(days[-1].day)}"
        lines.append(
            f"{number_of(days, dataset.period)}, {span}: {dataset.total('clean'):,} clean rows, {size:,.1f} MB."
        )
    broken = [f"{day.day}: {day.problem}" for day in days if day.problem]
    for words, some in (
        ("missing in between", dataset.gaps),
        ("fetched, and not published", dataset.waiting),
        ("damaged", broken),
    ):
        if some:
            lines.append(f"<span class=bad>{number_of(some, dataset.period)} {words}</span>: {listed(some)}")
    return "".join(f"<p>{line}" for line in lines or ["Nothing is published."])


def number_of(some: Sequence[object], word: str) -> str:
    return f"{len(some):,} {word}{'s' * (len(some) != 1)}"


def listed(some: Sequence[str], most: int = 12) -> str:
    more = f" and {len(some) - most:,} more" if len(some) > most else ""
    return ", ".join(map(text, some[:most])) + more


def legend(dataset: Dataset) -> str:
    keys = [
        f'<span class=key style="background:{COLOURS[name]}"></span>{name.replace("_", " ")} {dataset.total(name):,}'
        for name in COUNTS
    ]
    lost = dataset.gaps or any(day.problem for day in dataset.days)
    missing = '<span class=key style="background:#000"></span>no file, or a damaged one' if lost else ""
    return "".join([*keys, missing])


def rows_by_day(dataset: Dataset) -> str:
    """The days' rows on top of each other; a black mark where no file can be read."""
    import matplotlib
    from matplotlib.figure import Figure

    known = {day.day: day.counts for day in dataset.days if not day.problem}
    labels = sorted([*(day.day for day in dataset.days), *dataset.gaps])
    figure = Figure(figsize=(11, 2.4))
    axes = figure.subplots()
    heights = [0] * len(labels)
    layers = []
    for name in COUNTS:
        heights = [high + known.get(day, {}).get(name, 0) for high, day in zip(heights, labels, strict=True)]
        if dataset.total(name):
            layers.append((heights, COLOURS[name]))
    edges = [number - 0.5 for number in range(len(labels) + 1)]
    for heights, colour in reversed(layers):  # the highest is drawn first, and what is below it over it
        axes.stairs(heights, edges, fill=True, color=colour)
    if marks := [number for number, day in enumerate(labels) if day not in known]:
        axes.plot(marks, [0] * len(marks), "|", color="black", markersize=8, clip_on=False)
    step = max(1, len(labels) // 8)
    axes.set_xticks(range(0, len(labels), step), labels[::step])
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.spines[["top", "right"]].set_visible(False)
    drawn = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": dataset.name}):
        figure.savefig(drawn, format="svg", bbox_inches="tight", metadata=nothing)
    return f"<figure>{small(drawn.getvalue())}</figure>"


def small(svg: str) -> str:
    """matplotlib's SVG without its head, and with one digit behind the point."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"-?\d+\.\d\d+", lambda match: f"{float(match[0]):.1f}".removesuffix(".0"), svg)
    return re.sub(r"\s+", " ", svg)


def reasons(title: str, found: dict[str, Reason], period: str, unread: int = 0) -> str:
    """A bar for each reason, with some of its rows to unfold."""
    if not found:
        return ""
    most = max(reason.rows for reason in found.values())
    rows = []
    for words, reason in sorted(found.items(), key=lambda item: -item[1].rows)[:40]:
        shown = "".join(f"<li>{sample(record)}" for record in reason.samples)
        bar = f'<span class=bar style="width:{100 * reason.rows / most:.1f}%"></span>'
        unfold = f"<details><summary>{text(words[:200])}</summary><ul>{shown}</ul></details>"
        rows.append(f"<tr><td>{unfold}<td class=n>{reason.rows:,}<td class=n>{len(reason.days):,}<td width=25%>{bar}")
    more = []
    if len(found) > len(rows):
        more.append(f"{len(found) - len(rows):,} reasons of fewer rows are not shown.")
    if unread:
        more.append(f"{unread:,} rows of older {period}s are not counted here.")
    head = f"<tr><th>Reason (a row may have several)<th class=n>Rows<th class=n>{period.title()}s<th>"
    return f"<h3>{text(title)}</h3><table>{head}{''.join(rows)}</table><p class=dim>{' '.join(more)}"


def sample(record: dict[str, Any]) -> str:
    row = str(record.get("row", ""))
    cut = row[:CUT] + ("…" if len(row) > CUT else "")
    place = f"{record.get('file', '')}:{record.get('line', '')}"
    reason = text(str(record.get("reason", ""))[:CUT])
    return f"{text(record['day'])} <code>{text(place)}</code> {reason}<br><code>{text(cut)}</code>"


def columns(dataset: Dataset) -> str:
    over = f"Over the {dataset.period}s"
    heads = ("Name", "Type", "Lowest to highest", over, "Missing", over, "Most frequent")
    head = "<tr>" + "".join(f"<th>{words}" for words in heads)
    rows = []
    for column in dataset.schema or ():
        days = [day.ranges.get(column.name) for day in dataset.days]
        known = of_one_type([one for one in days if one and one.low is not None])
        unit = (column.metadata or {}).get(b"unit", b"").decode(errors="replace")
        about = (column.metadata or {}).get(b"description", b"").decode(errors="replace")
        span = band = ""
        if known:
            low, high = min(one.low for one in known), max(one.high for one in known)
            span = f"{value(low)} to {value(high)}{f' {text(unit)}' if unit not in ('', '1') else ''}"
            if is_number(low):
                band = ranges_picture([one if one and is_number(one.low) else None for one in days], low, high)
        lost, all_rows = sum(one.missing for one in days if one), sum(one.rows for one in days if one)
        share = f"{lost / all_rows:.1%}" if lost else "0" if all_rows else ""
        name = f"{text(column.name)}<br><span class=dim>{text(about)}</span>"
        lacks = missing_picture(days) if lost else ""
        cells = (name, text(column.type), span, band, share, lacks, frequent(dataset, column.name))
        rows.append("<tr>" + "".join(f"<td>{cell}" for cell in cells))
    return f"<table>{head}{''.join(rows)}</table>"


def of_one_type(some: Sequence[Range]) -> Sequence[Range]:
    """Those whose values compare with the newest ones: a column may have had another type before."""
    return [one for one in some if same_type(one.low, some[-1].low)]


def same_type(one: object, other: object) -> bool:
    return type(one) is type(other) or (is_number(one) and is_number(other))


def is_number(one: object) -> bool:
    return isinstance(one, (int, float)) and not isinstance(one, bool)


def value(found: object) -> str:
    words = f"{found:,.6g}" if isinstance(found, float) else str(found)
    if isinstance(found, datetime):
        words = found.isoformat(" ", "seconds")
    return text(words if len(words) <= 30 else words[:29] + "…")


def frequent(dataset: Dataset, name: str) -> str:
    """The three most frequent values of a text, where values come again."""
    counter = dataset.values.get(name)
    if not counter or len(counter) > 1_000:
        return "more than 1,000 different" if counter else ""
    rows = sum(counter.values())
    shown = [f"{value(word)} {count / rows:.0%}" for word, count in counter.most_common(3)]
    return ", ".join(shown) + (f" <span class=dim>({len(counter):,} different)</span>" if len(counter) > 3 else "")


def bins(days: Sequence[Range | None]) -> list[list[Range]]:
    """The days in BINS pieces or fewer, in their order."""
    size = -(-len(days) // BINS)
    return [[one for one in days[at : at + size] if one] for at in range(0, len(days), size)]


def ranges_picture(days: Sequence[Range | None], low: float, high: float) -> str:
    """From the lowest to the highest value, piece by piece."""
    if len(days) < 2:
        return ""
    pieces, path = bins(days), []
    width, height = WIDE / len(pieces), HIGH / ((high - low) or 1)
    for number, piece in enumerate(pieces):
        if known := [one for one in piece if one.low is not None]:
            top = HIGH - (max(one.high for one in known) - low) * height
            down = max(1, HIGH - (min(one.low for one in known) - low) * height - top)
            path.append(f"M{number * width:.0f} {min(top, HIGH - 1):.0f}h{width:.1f}v{down:.0f}h-{width:.1f}z")
    return picture("".join(path), "#2a78b5", "the lowest to the highest value")


def missing_picture(days: Sequence[Range | None]) -> str:
    """The share of missing values, piece by piece; the full height is all of them."""
    pieces, path = bins(days), []
    width = WIDE / len(pieces)
    for number, piece in enumerate(pieces):
        lost, rows = sum(one.missing for one in piece), sum(one.rows for one in piece)
        if lost:
            path.append(f"M{number * width:.0f} {HIGH}v-{max(1, HIGH * lost / rows):.0f}h{width:.1f}V{HIGH}z")
    return picture("".join(path), "#d1495b", "the share of missing values")


def picture(path: str, colour: str, label: str) -> str:
    return (
        f'<svg role=img aria-label="{label}" width={WIDE} height={HIGH} viewBox="0 0 {WIDE} {HIGH}">'
        f'<path d="M0 {HIGH - 0.5}H{WIDE}" stroke="#ccc"/><path d="{path}" fill="{colour}"/></svg>'
    )


def origins(dataset: Dataset) -> str:
    """Which commit and contract made which days, one line for days in a row."""
    rows = []
    today = set(dataset.schema.names) if dataset.schema is not None else set()
    for (commit, contract), some in groupby(dataset.days, lambda day: (day.commit, day.contract)):
        same = list(some)
        span = text(same[0].day) + (f" to {text(same[-1].day)}" if len(same) > 1 else "")
        names = set(same[-1].ranges)
        others = [f"no {name}" for name in sorted(today - names)] + [f"also {name}" for name in sorted(names - today)]
        differs = f" <span class=dim>{listed(others)}</span>" if names else ""
        rows.append(
            f"<tr><td>{span}<td class=n>{len(same):,}<td>{made_by(commit)}<td><code>{known(contract)}</code>{differs}"
        )
    left = f"<tr><td colspan=4 class=dim>and {len(rows) - 100:,} changes before" if len(rows) > 100 else ""
    head = f"<tr><th>{dataset.period.title()}s<th class=n>Number<th>Commit<th>Contract"
    return f"<table>{head}{''.join(rows[-100:])}{left}</table>"


def made_by(commit: str) -> str:
    short, _, dirty = commit.partition("-")
    return f"<code>{known(short[:12])}</code>{' with changes that were not committed' if dirty else ''}"


def known(word: str) -> str:
    return text(word) or "not in the file"


def days_table(dataset: Dataset, room: int) -> str:
    """Every day with its counts and raw files, the newest first, as far as there is room."""
    days, period = dataset.days, dataset.period
    if not days:
        return ""
    names = "".join(f"<th class=n>{name.replace('_', ' ')}" for name in ("read", *COUNTS))
    rows, size = [], 400
    for day in reversed(days):
        counts = "".join(f"<td class=n>{day.counts.get(name, 0)}" for name in ("read", *COUNTS))
        row = f"<tr><td>{text(day.day)}{counts}<td>{text(day.commit[:7])}<td>{text(day.contract[:7])}<td>{raw(day.raw)}"
        size += len(row.encode(errors="backslashreplace"))
        if size > room:
            break
        rows.append(row)
    left = len(days) - len(rows)
    more = (
        f"<p class=dim>{left:,} older {period}s are in the pictures only: make look DATASET=… has room." if left else ""
    )
    head = f"<tr><th>{period.title()}{names}<th>Commit<th>Contract<th>Raw files and their SHA-256"
    table = f"<table>{head}{''.join(rows)}</table>{more}"
    return f"<details><summary>Every {period}, and its raw files</summary>{table}</details>"


def raw(files: dict[str, str]) -> str:
    """The raw files with the start of their hashes; of many, the first and the last."""
    names: Iterable[str] = sorted(files)
    if len(files) > 4:
        first, *_, last = names
        return f"{len(files):,} files, {raw({first: files[first]})} to {raw({last: files[last]})}"
    return ", ".join(f"{text(name)} {text(str(files[name])[:8])}" for name in names)
