"""Plain current English: words that the project does not use where a user reads them."""

import re

import pytest

from tests.conftest import PROJECT_FOLDER, TEMPLATE

# Word → what to write instead.
INSTEAD = {
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\b(lies|lie)\b(?! to\b)": "is, is at",
    r"\bhangs? on\b": "depends on",
    r"\bbelongs? into\b": "belongs in",
    r"\banew\b": "again",
    r"\bbegins? with\b": "starts with",
    r"\bis none of\b": "is not one of",
    r"\bweb pages\b": "UI",
    r"\b1 (DAGs|files|days|runs|partitions)\b": "the singular",
}
UNREAD = ("requirements", ".whl", "sample", "ten-minutes.svg", "__pycache__")


def texts():
    """Yield (path, text) of everything that a user of the template or of a generated project may read."""
    names = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile", "cookiecutter.json")
    folders = (PROJECT_FOLDER, TEMPLATE / "src", TEMPLATE / "hooks", TEMPLATE / "scripts", TEMPLATE / ".github")
    for path in [*map(TEMPLATE.joinpath, names), *(path for folder in folders for path in folder.rglob("*"))]:
        if path.is_file() and not any(word in str(path.relative_to(TEMPLATE)) for word in UNREAD):
            yield path.relative_to(TEMPLATE).as_posix(), path.read_text(encoding="utf-8")


@pytest.mark.parametrize("word", INSTEAD)
def test_a_word_is_not_used(word):
    found = [
        f"{name}:{number}: {line.strip()}"
        for name, text in texts()
        for number, line in enumerate(text.splitlines(), 1)
        if re.search(word, line)
    ]
    assert found == [], f"write: {INSTEAD[word]}"


def test_dags_are_spelled_one_way():
    """DAG in sentences; Airflow's own Dag is code."""
    found = [
        f"{name}:{number}: {line.strip()}"
        for name, text in texts()
        for number, line in enumerate(text.splitlines(), 1)
        if not name.endswith(".py") and re.search(r"\bDags?\b", re.sub("`[^`]*`", "", line))
    ]
    assert found == []
