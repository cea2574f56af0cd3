"""The chart that `make run` ends with: <day>.png, and <day>.html, which lists the strongest earthquakes."""

import html
import io
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

STRONGEST = 10  # rows of the table
COLUMNS = ("time", "mag", "depth", "place")
PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
svg {{ width: 100%; height: auto; }}
td, th {{ text-align: left; padding: 0.2rem 1rem 0.2rem 0; }}
</style>
<h1>{title}</h1>
{svg}
<table>
<tr><th>time (UTC)</th><th>magnitude</th><th>depth in km</th><th>place</th></tr>
{rows}
</table>
</html>
"""


def write(events, day: str, folder: Path) -> list[Path]:
    """Draw the day's clean events (a DataFrame) and return the two files that were written."""
    title = f"{len(events)} earthquakes on {day} (UTC)"
    figure = draw(events, title)
    folder.mkdir(parents=True, exist_ok=True)
    png, page = folder / f"{day}.png", folder / f"{day}.html"
    figure.savefig(png, dpi=110)
    svg = io.StringIO()
    with rc_context({"svg.fonttype": "none"}):  # text as text
        figure.savefig(svg, format="svg", metadata={"Date": None})
    picture = svg.getvalue()
    page.write_text(
        PAGE.format(title=html.escape(title), svg=picture[picture.index("<svg") :], rows=table(events)),
        encoding="utf-8",
    )
    return [png, page]


def draw(events, title: str) -> Figure:
    """Where the earthquakes were, and when; colour is depth, size is magnitude."""
    figure = Figure(figsize=(9, 6), layout="constrained")
    figure.suptitle(title)
    where, when = figure.subplots(2, height_ratios=(2, 1))
    magnitude = events["mag"].astype("float64")
    looks = {
        "s": 4 * magnitude.fillna(0).clip(lower=0.5) ** 2,
        "c": events["depth"].astype("float64"),
        "cmap": "viridis_r",
        "alpha": 0.7,
        "linewidths": 0,
    }
    dots = where.scatter(events["longitude"].astype("float64"), events["latitude"].astype("float64"), **looks)
    where.set(xlim=(-180, 180), xlabel="longitude (degrees east)")
    where.set(ylim=(-90, 90), ylabel="latitude (degrees north)")
    where.grid(alpha=0.3)
    hours = events["time"].dt.hour + events["time"].dt.minute / 60
    when.scatter(hours.astype("float64"), magnitude, **looks)
    when.set(xlim=(0, 24), xticks=range(0, 25, 3), xlabel="hour (UTC)", ylabel="magnitude")
    when.grid(alpha=0.3)
    figure.colorbar(dots, ax=(where, when), label="depth (km)")
    return figure


def table(events) -> str:
    """The strongest earthquakes as rows of an HTML table."""
    strongest = events.sort_values("mag", ascending=False).head(STRONGEST)
    rows = []
    for time, magnitude, depth, place in strongest[list(COLUMNS)].itertuples(index=False):
        cells = (f"{time:%H:%M:%S}", magnitude, depth, place)
        rows.append("<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells) + "</tr>")
    return "\n".join(rows)
