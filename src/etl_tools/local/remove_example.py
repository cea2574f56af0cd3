"""make remove-example: remove the earthquakes; the library, the tools and everything of yours stay and work.

Refuses while git does not have what would go (YES=1: all the same).
"""

import re
import shutil
import sys

from etl_tools.answers import DAGS_SUBPATH, ROOT, SLUG
from etl_tools.programs import run

PACKAGE = f"{DAGS_SUBPATH}/{SLUG.replace('-', '_')}"
REMOVED = [f"{DAGS_SUBPATH}/extract.py", f"{DAGS_SUBPATH}/transform.py", f"{PACKAGE}/earthquakes"]
TESTS = "tests/test_earthquakes*.py"
# Lines that only the example needs.
LINES = {
    "helm/values.yaml": r"(?m)^  # usgs: .*\n^  - name: ETL_SOURCE\n.*\n",
    "tests/conftest.py": r"(?m)^    ETL_SOURCE=.*\n",
    "README.md": r"(?m)^\|.*/earthquakes/`.*\n",
    "AGENTS.md": r"(?m)^\|.*/earthquakes/`.*\n",
}
MENTIONS = re.compile(r"earthquake|\bextract\b|usgs", re.IGNORECASE)


def main(yes: bool) -> int:
    """Remove what is there; return the exit code."""
    paths = [ROOT / path for path in REMOVED] + sorted(ROOT.glob(TESTS))
    there = [path for path in paths if path.exists()]
    if not there:
        print("make remove-example: it is gone already.")
        return 0
    if not yes and not in_git([*map(str, there), *LINES]):
        print(
            "make remove-example: git does not have all of it: commit first, or make remove-example YES=1",
            file=sys.stderr,
        )
        return 1
    for path in there:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name, pattern in LINES.items():
        file = ROOT / name
        if file.exists():
            file.write_text(re.sub(pattern, "", file.read_text(encoding="utf-8")), encoding="utf-8")
    print("Removed " + ", ".join(str(path.relative_to(ROOT)) for path in there))
    pages = [ROOT / "README.md", ROOT / "AGENTS.md", *sorted((ROOT / "docs").glob("*.md"))]
    speak = [page for page in pages if MENTIONS.search(page.read_text(encoding="utf-8"))]
    if speak:
        print("Yours to rewrite: " + ", ".join(str(page.relative_to(ROOT)) for page in speak))
    print("Next: make new-dag NAME=orders")
    return 0


def in_git(paths: list[str]) -> bool:
    """Whether the last commit has these files as they are."""
    done = run("git", "-C", ROOT, "status", "--porcelain", "--", *paths)
    return done.returncode == 0 and not done.stdout
