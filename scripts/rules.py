"""Write the pages of all rules (`make rules`): docs/rules.md, and the examples that `dag-integrity --explain` shows.

A rule's example is that of its name in tests/dag_integrity/broken, or the shortest that it alone speaks of.
"""

import json
from pathlib import Path

from dag_integrity import RULES
from dag_integrity.explain import EXAMPLES, difference, page
from dag_integrity.rules import load_packaged
from dag_integrity.rules.files import SECRET_VALUE
from tests.dag_integrity.examples import FILES, cured, expected, plain

TEMPLATE = Path(__file__).resolve().parents[1]
PAGES = TEMPLATE / "docs" / "rules.md"
PACKAGED = TEMPLATE / "src" / "dag_integrity" / EXAMPLES
HEAD = """# Rules of dag-integrity

Made by `make rules` from the rules' docstrings and their tests. `dag-integrity --explain RULE` prints one of them.
To exempt a line: `# dag-integrity: ignore[rule] and the reason` at its end, or alone above it.
"""


def examples():
    """Return rule → its example, as a difference."""
    shortest = {}
    for file in FILES:
        rules = {rule for _, rule in expected(file)}
        broken, fixed = plain(file), cured(file)
        # What looks like a key is found by every scanner, in the wheel, too
        if len(rules) == 1 and broken != fixed and not SECRET_VALUE.search(broken):
            (rule,) = rules
            text = difference(broken, fixed)
            rank = (Path(file).stem != rule.replace("-", "_"), len(text), text)
            shortest[rule] = min(rank, shortest.get(rule, rank))
    return {rule: text for rule, (*_, text) in sorted(shortest.items())}


def packaged():
    """Return the text of the file in the package."""
    return json.dumps(examples(), indent=1, ensure_ascii=False) + "\n"


def pages():
    """Return the text of docs/rules.md."""
    load_packaged()
    return "\n\n".join([HEAD.rstrip(), *(page(RULES[name]) for name in sorted(RULES))]) + "\n"


if __name__ == "__main__":
    PACKAGED.write_text(packaged(), encoding="utf-8")
    PAGES.write_text(pages(), encoding="utf-8")
    print(f"{len(RULES)} rules, {len(examples())} with an example")
