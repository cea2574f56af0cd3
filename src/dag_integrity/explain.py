"""What a rule demands, as a page: its docstring, what to write instead, and an example as a difference."""

from __future__ import annotations

import difflib
import json
from importlib import resources

from .model import RULES, PolicyError, Rule

# Rule → difference of an example that breaks it and the same as it should be; scripts/rules.py makes it of the tests
EXAMPLES = "examples.json"
LOOKS_AT = {
    "file": "the text of each file, without importing it (also with `--static`, at every commit)",
    "dag": "each parsed DAG",
    "folder": "all DAGs and files together",
    "engine": "what importing and parsing a file does, or what ruff sees in it",
}


def explain(name: str) -> str:
    """The page of a rule. Raises PolicyError where there is none."""
    if name not in RULES:
        near = difflib.get_close_matches(name, RULES, 3)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise PolicyError(f"There is no rule {name}; --rules lists them.{hint}")
    return f"{page(RULES[name])}\n\nTo exempt a line: # dag-integrity: ignore[{name}] and the reason"


def page(rule: Rule) -> str:
    """The page in Markdown."""
    house = ", house style: only with a policy of one's own" if rule.house else ""
    lines = [f"## {rule.name}", "", rule.meaning, "", f"- Severity: {rule.severity}{house}"]
    lines += [f"- Looks at {LOOKS_AT[rule.scope]}", f"- Instead: {rule.cure}"]
    if example := example_of(rule):
        lines += ["", "```diff", example.rstrip("\n"), "```"]
    return "\n".join(lines)


def example_of(rule: Rule) -> str:
    """What makes the broken example a good one, with the lines around it."""
    if rule.broken:
        return difference(rule.broken, rule.fixed)
    text = resources.files(__package__).joinpath(EXAMPLES).read_text(encoding="utf-8")
    return str(json.loads(text).get(rule.name, ""))


def difference(broken: str, fixed: str, around: int = 2) -> str:
    """The lines that differ, with some around them."""
    lines = difflib.unified_diff(broken.splitlines(), fixed.splitlines(), lineterm="", n=around)
    return "\n".join(" …" if line.startswith("@@") else line.rstrip() for line in list(lines)[3:])
