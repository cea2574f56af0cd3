"""secrets/connections.env: the connections, variables and credentials of this checkout, a NAME=value a line.

    AIRFLOW_CONN_SMTP_DEFAULT={"conn_type": "smtp", "host": "mail.example.com"}
    AIRFLOW_VAR_REGION=eu
    AWS_ACCESS_KEY_ID=…

`make run` and `make ui` put them into their environment, `make secrets` into that of the pods.
"""

import re

from etl_tools import answers

FILE = answers.SECRETS / "connections.env"


def parse(text: str) -> dict[str, str]:
    """Return name → value, exactly as written: no quotes, no escapes. ValueError names a wrong line."""
    where = answers.in_secrets(FILE.name)
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise ValueError(f"{where}:{number} is not of the form NAME=value")
        if re.fullmatch(r"([\"']).*\1", value):
            raise ValueError(f"{where}:{number}: write the value of {name} without quotes around it")
        if name in found:
            raise ValueError(f"{where}:{number}: {name} is there twice")
        found[name] = value
    return found


def read() -> dict[str, str]:
    """Return what secrets/connections.env holds; nothing where there is no such file."""
    if not FILE.exists():
        if (old := FILE.with_name("storage.env")).exists():
            raise ValueError(f"{answers.in_secrets(old.name)} has a new name: mv {old} {FILE}")
        return {}
    return parse(FILE.read_text(encoding="utf-8"))
