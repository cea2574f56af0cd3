"""make look: one HTML file of all datasets: rows by day, rejects, ranges, and what each day was made of.

It needs no server and no network. OPEN=0 leaves the browser alone.
"""

import argparse
import os
import sys
import webbrowser
from datetime import datetime
from pathlib import Path

from etl_tools import answers
from etl_tools.local import environment
from etl_tools.local.ui import has_screen

PAGE = environment.HOME / "look.html"


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make look", description=__doc__)
    parser.add_argument("datasets", nargs="*", help="which ones (default: all)")
    asked = parser.parse_args(words).datasets
    try:
        environment.set_up()
        write(folder(os.environ["ETL_DATA_ROOT"]), asked, PAGE)
    except ValueError as problem:
        print(f"make look: {problem}", file=sys.stderr)
        return 1
    print(f"{os.path.relpath(PAGE)} ({PAGE.stat().st_size / 1000:.0f} KB)", flush=True)
    if os.environ.get("OPEN") != "0" and has_screen():
        webbrowser.open(PAGE.as_uri())
    return 0


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
