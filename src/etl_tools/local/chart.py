"""The chart of `make run`: two of a day's numbers over time, and a map where there are coordinates."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from matplotlib.dates import ConciseDateFormatter
from matplotlib.figure import Figure

MAP = ("longitude", "latitude")
PANELS = 2  # columns of numbers that are drawn


def write(file: Path, title: str, target: Path) -> Path | None:
    """Draw a clean day's Parquet file; the PNG's path, or None when it has no times or no numbers."""
    schema = pq.read_schema(file)
    frame = pq.read_table(file).to_pandas()
    times = list(frame.select_dtypes(["datetime", "datetimetz"]))
    numbers = [name for name in frame.select_dtypes("number") if name not in MAP and frame[name].nunique() > 1]
    if not times or not numbers:
        return None
    figure = draw(frame, times[0], numbers[:PANELS], {name: unit(schema, name) for name in frame})
    figure.suptitle(title)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=110)
    return target


def unit(schema: pa.Schema, name: str) -> str:
    """The column's unit in brackets, or nothing."""
    words = (schema.field(name).metadata or {}).get(b"unit", b"").decode()
    return f" ({words})" if words not in ("", "1") else ""


def draw(frame: pd.DataFrame, time: str, numbers: list[str], units: dict[str, str]) -> Figure:
    """A map where there are coordinates, and a panel for each column of numbers; colour is the first one."""
    has_map = set(MAP) <= set(frame)
    panels = len(numbers) + has_map
    figure = Figure(figsize=(9, 2.5 * panels + has_map))
    axes = figure.subplots(panels, squeeze=False, height_ratios=[2] * has_map + [1] * len(numbers))[:, 0]
    figure.subplots_adjust(top=0.93, bottom=0.08, hspace=0.4)
    looks = {"c": frame[numbers[0]].astype(float), "cmap": "viridis_r", "s": 12, "alpha": 0.7, "lw": 0}
    pairs = [MAP] * has_map + [(time, name) for name in numbers]
    for axis, (x, y) in zip(axes, pairs, strict=True):
        across = frame[x] if x == time else frame[x].astype("float64")
        dots = axis.scatter(across, frame[y].astype("float64"), **looks)
        axis.set(xlabel=x + units[x], ylabel=y + units[y])
        axis.grid(alpha=0.3)
        if x == time:
            axis.xaxis.set_major_formatter(ConciseDateFormatter(axis.xaxis.get_major_locator()))
    if has_map:
        axes[0].set(xlim=(-180, 180), ylim=(-90, 90))
    figure.colorbar(dots, ax=list(axes), label=numbers[0] + units[numbers[0]], pad=0.02)
    return figure
