"""Just enough YAML to look at helm/values.yaml where nothing is installed: nested keys and plain values."""

import re

LINE = re.compile(r"(?P<indent> *)(?P<dash>- +)?(?P<key>[\w.-]+):(?: +(?P<value>.*?))? *$")


def plain(value: str) -> str:
    """Return a value without its quotes and without a comment behind it."""
    quoted = re.match(r"""(["'])(.*?)\1\s*(#.*)?$""", value)
    return quoted[2] if quoted else re.sub(r"(^|\s)#.*$", "", value).strip()


def read_values(text: str) -> dict[str, tuple[str, int]]:
    """Return dotted path → value and line number. A path inside a list is that of the list.

    Text blocks (`|`, `>-`) and flow mappings ({a: b}) are not taken apart; a key above others has an empty
    value.
    """
    found: dict[str, tuple[str, int]] = {}
    parents: list[tuple[int, str]] = []
    text_block = None
    for number, line in enumerate(text.splitlines(), 1):
        indent = len(line) - len(line.lstrip(" "))
        if text_block is not None and (not line.strip() or indent > text_block):
            continue
        text_block = None
        match = LINE.match(line)
        if not match or line.lstrip().startswith("#"):
            continue
        indent += len(match["dash"] or "")
        while parents and parents[-1][0] >= indent:
            parents.pop()
        path = ".".join([*(name for _, name in parents), match["key"]])
        value = match["value"] or ""
        if re.match(r"[|>][+-]?\d?\s*(#.*)?$", value):
            text_block, value = indent, ""
        found.setdefault(path, (plain(value), number))
        parents.append((indent, match["key"]))
    return found
