"""Variables on make's command line that nobody reads, like DTAE=2018-02-01: make says nothing of them.

Known are those of the target, by its lines in the Makefile; what the Makefile defines; what the DAGs read, like
ORDERS_SOURCE; and what other programs may read: names with "_", unless they are nearly one that is known.
"""

import difflib
import re
from pathlib import Path

# Targets whose recipes call another command than their own, and how they appear in the Makefile.
AS_WELL = {"run": ("backfill", "rebuild")}
EVERYWHERE = re.compile(r"MAKE|SHELL|ENV|IMAGE|CI|HOME|PATH|TMPDIR|KUBECONFIG|PYTHON\w*")
USED = re.compile(r"\$\(([A-Z]+)\)|\$\$\{([A-Z]+)|\b([A-Z]+)=")
GIVEN = re.compile(r"(?<!\S)(\w+)=")
IN_QUOTES = re.compile(r"[\"']([A-Z][A-Z0-9_]+)[\"']")  # as in os.environ["ORDERS_SOURCE"]
ALIKE = 0.85


def wrong(command: str, root: Path, dags: Path, flags: str) -> str:
    """What is wrong with the variables in MAKEFLAGS, in a line; "" for nothing."""
    makefile = (root / "Makefile").read_text("utf-8")
    defined = set(re.findall(r"^(?:export )?([A-Z_]+) [:?]?=", makefile, re.MULTILINE))
    targets = (command, *AS_WELL.get(command, ()))
    lines = [re.search(rf"^{target}:.*\n(?:\t.*\n)*", makefile, re.MULTILINE) for target in targets]
    found = [name for block in filter(None, lines) for names in USED.findall(block[0]) for name in names if name]
    own = [name for name in dict.fromkeys(found) if name not in defined]
    read = {name for file in dags.rglob("*.py") for name in IN_QUOTES.findall(file.read_text("utf-8"))}
    # Values have their spaces as "\ ".
    given = GIVEN.findall(flags.partition("-- ")[2].replace("\\ ", "_"))
    for name in given:
        if name in (*own, *defined, *read) or EVERYWHERE.fullmatch(name):
            continue
        near = difflib.get_close_matches(name, [*own, *read], 1, ALIKE)
        if "_" not in name or near:
            there = f"here, only {', '.join(own)}." if own else f"here: make {command} takes none."
            return f"there is no {name}= " + (f"here, did you mean {near[0]}?" if near else there)
    return ""
