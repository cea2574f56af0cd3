"""The examples beside this file: what they announce, and how they are cured.

`# expect: rule` at the end of a line is what the checks must find there, `# expect-above: rule` what they must find in
the line above. `# cure: OLD => NEW` is what the finding says to do.
"""

import re
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent
FOLDERS = ("airflow", "broken", "broken_helpers", "good", "good_helpers", "good_spaces")
FILES = sorted(
    path.relative_to(EXAMPLES).as_posix() for folder in FOLDERS for path in (EXAMPLES / folder).rglob("*.py")
)


def cure(name, text):
    if name == "broken_helpers/frames.py":
        return text.replace("import pandas as pd", "").replace("def rows():", "def rows():\n    import pandas as pd\n")
    if name == "broken_helpers/operators.py":
        return text.replace("set(shops)", "sorted(set(shops))")
    for old, new in cures(text):
        last, old = old.startswith("last "), old.removeprefix("last ")
        start = text.rindex(old, 0, text.index("# cure:")) if last else text.index(old)
        text = text[:start] + new + text[start + len(old) :]
    return re.sub(r"(?m)^# cure: .*\n", "", text)


def cures(text):
    """The pairs of the `# cure:` lines; `last` before the old text: not its first place but its last."""
    for old, new in re.findall(r"^# cure: (.*?) =>(?: (.*))?$", text, re.M):
        yield old.replace("\\n", "\n"), new.replace("\\n", "\n")


def expected(file):
    """Return the (line, rule) pairs that an example announces."""
    for number, line in enumerate((EXAMPLES / file).read_text().splitlines(), 1):
        if match := re.search(r"# expect(-above)?: ([\w, -]+)$", line):
            for rule in match[2].split(","):
                yield number - bool(match[1]), rule.strip()


def plain(file):
    """Return an example without what it announces."""
    text = (EXAMPLES / file).read_text()
    return re.sub(r"(?m)^# (cure|expect-above): .*\n|  # expect(-above)?: .*$", "", text)


def cured(file):
    """Return the same after its cure."""
    text = cure(file, (EXAMPLES / file).read_text())
    return re.sub(r"(?m)^# (cure|expect-above): .*\n|  # expect(-above)?: .*$", "", text)
