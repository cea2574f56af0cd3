"""A day at a glance: numbers as JSON, and a page with a map and a histogram that needs no network."""

import html
import json
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

COLUMNS = ["id", "time", "latitude", "longitude", "mag", "place", "magnitude_class", "depth_class"]
EDGES = np.arange(-2, 10.5, 0.5)  # of the magnitude histogram
CELL = 2  # degrees; a side of the map's squares
LARGEST = 5


def summarize(day: str, counts: dict, tables: Iterable[pa.Table]) -> dict:
    """The day's numbers; tables: the clean events in pieces, with COLUMNS.

    magnitudes: [lower edge, events] per half unit; map: [longitude, latitude, events] per square of CELL
    degrees, by its south-west corner; largest: the events of greatest magnitude.
    """
    histogram = np.zeros(len(EDGES) - 1, dtype=np.int64)
    grid = np.zeros((360 // CELL, 180 // CELL), dtype=np.int64)
    classes = {"magnitude_class": {}, "depth_class": {}}
    largest = []
    for table in tables:
        mag = table["mag"].drop_null().to_numpy()
        histogram += np.histogram(np.clip(mag, EDGES[0], EDGES[-1]), EDGES)[0]
        places = [table[name].to_numpy() for name in ("longitude", "latitude")]
        grid += np.histogram2d(*places, grid.shape, [[-180, 180], [-90, 90]])[0].astype(np.int64)
        for name, found in classes.items():
            for value in table[name].value_counts().to_pylist():
                found[value["values"] or "unknown"] = (
                    found.get(value["values"] or "unknown", 0) + value["counts"]
                )
        known = table.select(["mag", "id", "time", "place"]).filter(table["mag"].is_valid())
        first = pc.select_k_unstable(known, LARGEST, sort_keys=[("mag", "descending"), ("id", "ascending")])
        largest += known.take(first).to_pylist()
    largest.sort(key=lambda event: (-event["mag"], event["id"]))
    return {
        "day": day,
        "counts": counts,
        **{name: dict(sorted(found.items())) for name, found in classes.items()},
        "magnitudes": [[float(edge), int(n)] for edge, n in zip(EDGES, histogram, strict=False) if n],
        "map": [
            [int(x) * CELL - 180, int(y) * CELL - 90, int(grid[x, y])]
            for x, y in zip(*grid.nonzero(), strict=True)
        ],
        "largest": [{**event, "time": event["time"].isoformat()} for event in largest[:LARGEST]],
    }


def to_json(summary: dict) -> bytes:
    return json.dumps(summary, indent=1, ensure_ascii=False).encode() + b"\n"


def to_html(summary: dict) -> bytes:
    """One file that a browser shows without a network."""
    day, counts = html.escape(summary["day"]), summary["counts"]
    rows = "".join(
        f"<tr><td>{event['mag']}<td>{html.escape(event['place'] or '')}<td>{event['time']}"
        for event in summary["largest"]
    )
    facts = ", ".join(f"{n} {html.escape(name.replace('_', ' '))}" for name, n in counts.items())
    page = f"""<!doctype html>
<meta charset="utf-8">
<title>Earthquakes of {day}</title>
<style>
body {{ font: 16px sans-serif; max-width: 50em; margin: 2em auto; padding: 0 1em }}
svg {{ width: 100%; background: #eef3f7 }}
td {{ padding-right: 1em }}
</style>
<h1>Earthquakes of {day}</h1>
<p>Rows: {facts}.</p>
<h2>Where</h2>
{_map(summary["map"])}
<h2>Magnitudes</h2>
{_bars(summary["magnitudes"])}
<h2>The largest</h2>
<table>{rows}</table>
"""
    return page.encode()


def _map(cells: list) -> str:
    """Longitude and latitude as they are (plate carrée); the more events, the larger the dot."""
    dots = "".join(
        f'<circle cx="{x + CELL / 2 + 180:g}" cy="{90 - y - CELL / 2:g}" r="{min(1 + n**0.5 / 4, 6):.1f}">'
        f"<title>{n} at {y}, {x}</title></circle>"
        for x, y, n in cells
    )
    return f'<svg viewBox="0 0 360 180" fill="#c0392b" fill-opacity="0.6">{dots}</svg>'


def _bars(histogram: list) -> str:
    most = max((n for _, n in histogram), default=1)
    bars = "".join(
        f'<rect x="{i * 20}" y="{85 - 80 * n / most:.1f}" width="18" height="{80 * n / most:.1f}">'
        f'<title>{n} from {edge:g}</title></rect><text x="{i * 20 + 9}" y="96">{edge:g}</text>'
        for i, (edge, n) in enumerate(histogram)
    )
    style = 'fill="#2c3e50" font-size="8" text-anchor="middle"'
    return f'<svg viewBox="0 0 {max(len(histogram), 1) * 20} 100" {style}>{bars}</svg>'
