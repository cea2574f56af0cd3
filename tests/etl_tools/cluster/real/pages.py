"""What a person types, as the pages of a project say it: the scenario has no commands of its own for that."""

import re


def section(page, heading=None):
    """Return the text under a heading, up to the next one; without a heading, what comes before the first."""
    parts = re.split(r"^#{2,} (.+)$", page, flags=re.MULTILINE)
    if heading is None:
        return parts[0]
    return dict(zip(parts[1::2], parts[2::2], strict=True))[heading]


def typed(page, heading=None):
    """Return the commands of a section's bash blocks, without what stands behind a #."""
    blocks = re.findall(r"^```bash\n(.*?)^```", section(page, heading), re.MULTILINE | re.DOTALL)
    lines = [line.partition(" #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


def in_table(page, heading=None):
    """Return the commands in the first column of a section's tables."""
    return re.findall(r"^\| `(make [^`]+)` \|", section(page, heading), re.MULTILINE)


def command_of(advice):
    """Return the command that a line of doctor's begins with."""
    return re.split(r"; |, | \(", advice)[0].strip()
