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
    # Not our own terms: the field has its words (prefetch, deterministic, contract, manifest, …).
    r"(\b|_)(un)?told\b": "say, get, know",
    r"(\b|_)(un)?steady\b": "deterministic",
    r"(\b|_)ahead\b": "prefetched, in advance",
    r"(\b|_)(is|are|was|were|be) said\b": "is stated, reported, named",
    r"\b1 (DAGs|files|days|runs|partitions)\b": "the singular",
}
UNREAD = ("requirements", ".whl", "sample", ".svg", ".png", "__pycache__", "benchmarks/dag_checks/cases")


def texts():
    """Yield (path, text) of everything that a user of the template or of a generated project may read."""
    names = ("README.md", "AGENTS.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "Makefile", "action.yml")
    folders = ("src", "docs", "hooks", "scripts", "benchmarks", "templates", ".github", ".ci")
    places = [PROJECT_FOLDER, *map(TEMPLATE.joinpath, folders)]
    some = [TEMPLATE / "cookiecutter.json", TEMPLATE / "copier.yml", *map(TEMPLATE.joinpath, names)]
    for path in [*some, *(path for place in places for path in place.rglob("*"))]:
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
