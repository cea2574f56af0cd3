"""The README says what is so: every question with its default and choices, and a tree of files that come out."""

import re

from tests.conftest import QUESTIONS, TEMPLATE

README = (TEMPLATE / "README.md").read_text(encoding="utf-8")


def test_every_question_has_its_row():
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \| .* \|$", README, re.MULTILINE))
    asked = {name: default for name, default in QUESTIONS.items() if not name.startswith("_")}
    assert list(rows) == list(asked)
    for name, default in asked.items():
        if isinstance(default, list):
            assert rows[name] == " · ".join(f"`{choice}`" for choice in default)
        elif "<" not in default and name != "description":
            assert rows[name] == default


def test_the_tree_names_what_comes_out(bake):
    tree = README.split("```\nmy-etl/\n", 1)[1].split("```", 1)[0]
    folders, named = [], []
    for line in tree.splitlines():
        indent, name = re.match(r"^([│ ]*)[├└]── (\S+)", line).groups()
        folders = folders[: len(indent) // 4]
        named.append("/".join([*folders, name.rstrip("/")]))
        if name.endswith("/"):
            folders.append(name.rstrip("/"))
    assert len(named) > 10
    project = bake()
    assert [path for path in named if not (project / path).exists()] == []
