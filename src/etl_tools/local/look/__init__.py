"""make look: one HTML file of all datasets: rows by day, rejects, ranges, and what each day was made of.

It needs no server and no network. OPEN=0 leaves the browser alone.
"""

import os
import webbrowser
from datetime import datetime
from pathlib import Path

from etl_tools import answers
from etl_tools.local import environment
from etl_tools.local.ui import has_screen

PAGE = environment.HOME / "look.html"


def main(datasets: list[str]) -> None:
    """Write the page and open it; ValueError when it cannot be made."""
    environment.set_up()
    write(folder(os.environ["ETL_DATA_ROOT"]), datasets, PAGE)
    print(f"{os.path.relpath(PAGE)} ({PAGE.stat().st_size / 1000:.0f} KB)", flush=True)
    if os.environ.get("OPEN") != "0" and has_screen():
        webbrowser.open(PAGE.as_uri())


def folder(url: str) -> Path:
    """The folder on this disk that the data are in; ValueError when they are elsewhere."""
    if not url.startswith("file://"):
        raise ValueError(f"the data are in {url}, which it cannot read: copy clean/, rejected/ and raw/ to a disk.")
    return Path(url.removeprefix("file://"))


def write(root: Path, names: list[str], target: Path) -> None:
    """Write the page of these datasets, or of all."""
    from etl_tools.local.look import facts, page

    datasets = facts.read(root, names)
    made = f"Made {datetime.now().astimezone():%Y-%m-%d %H:%M} from the files in {root}."
    target.write_text(page.page(f"The data of {answers.SLUG}", made, datasets), encoding="utf-8", errors="replace")
