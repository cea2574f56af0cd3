"""Print the changelog's section for a tag: python scripts/release_notes.py v1.2.0."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def section(changelog: str, version: str) -> str | None:
    """Return what is in the changelog below the version's heading, without the heading; None if it has none."""
    heading = rf"^## \[{re.escape(version)}\][^\n]*\n"
    found = re.search(heading + r"(.*?)(?=^## |^\[[^\]]+\]: |\Z)", changelog, re.MULTILINE | re.DOTALL)
    return found[1].strip() or None if found else None


def main(arguments: list[str]) -> int:
    """Print the notes for the tag given; return the exit code."""
    (tag,) = arguments
    version = tag.removeprefix("v")
    source = ROOT / "src/etl_tools/__init__.py"
    stated = re.search(r'^VERSION = "(.+)"$', source.read_text(encoding="utf-8"), re.MULTILINE)[1]
    if version != stated:
        print(f"The tag is {tag}, but src/etl_tools says {stated}: change one of them.", file=sys.stderr)
        return 1
    notes = section((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), version)
    if notes is None:
        print(f"CHANGELOG.md has no section '## [{version}] - date', or an empty one.", file=sys.stderr)
        return 1
    print(notes)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
