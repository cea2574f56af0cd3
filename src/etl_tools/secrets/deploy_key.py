"""What is wrong with a private key that went through an editor, a chat or a clipboard, and how to fix it.

    airflow-etl deploy-key    put secrets/deploy_key into the form that ssh reads

The damaged file stays beside it as deploy_key.old.
"""

import base64
import re

from etl_tools.secrets.git_server import KEY
from etl_tools.secrets.keys import locked_secrets, write_private

FIX = ".venv/bin/airflow-etl deploy-key"
NEW_KEY = "rm secrets/deploy_key* && make keys, then register the new key"
ARMOUR = re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----)(.*?)(-----END [A-Z ]*PRIVATE KEY-----)", re.DOTALL)
# How the text begins of what is no private key.
NO_KEY = {
    r"\s*$": "is empty",
    r"\s*(gh[opsur]_|github_pat_|gl(pat|dt)-|ATB|xox)": "holds a token, not an SSH key",
    r"\s*(ssh-|ecdsa-)": "holds the public key: the private one, with BEGIN in it, belongs here",
    "PuTTY-": "is a PuTTY key: convert it (puttygen KEY.ppk -O private-openssh -o secrets/deploy_key)",
    "": "holds no complete private key",
}
# What is different in a file that has all of the key; the first that fits is named.
DAMAGE = {
    rb"(?!.*-----BEGIN|\xff\xfe|\xfe\xff)": "is encoded in base64 once too often",
    rb"\xef\xbb\xbf|\xff\xfe|\xfe\xff": "starts with a byte order mark, which an editor on Windows adds",
    rb".*\r": "has the line ends of Windows (CRLF)",
    rb"[^\n]*\n?\Z": "is on one line",
    rb".*[^\n]\Z": "has no newline at its end",
    rb"": "has spaces or other text around its lines",
}


def fixed(content: bytes) -> bytes | None:
    """Return the key with one line end and nothing else around each line; None if it is not all there."""
    utf_16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    text = content.decode("utf-16" if utf_16 else "utf-8-sig", errors="replace")
    if not (found := ARMOUR.search(text)):
        try:
            inside = base64.b64decode("".join(text.split()), validate=True)
        except ValueError:
            return None
        return fixed(inside) if inside else None
    begin, body, end = found.groups()
    if ":" in body:  # an old encrypted key, which has headers
        return content
    return "\n".join([begin, *re.sub(r"\\[rn]", " ", body).split(), end, ""]).encode()


def damage(content: bytes) -> tuple[str, str] | None:
    """Return what is wrong with the text of a private key and the command that fixes it, or None."""
    whole = fixed(content)
    if whole == content:
        return None
    if whole is None:
        text = content.decode(errors="replace")
        return next(what for start, what in NO_KEY.items() if re.match(start, text)), NEW_KEY
    return next(what for sign, what in DAMAGE.items() if re.match(sign, content, re.DOTALL)), FIX


def main() -> int:
    """Repair the key if it is all there; return the exit code."""
    with locked_secrets():
        content = KEY.read_bytes() if KEY.exists() else b""
        what, fix = damage(content) or ("has the form that ssh reads", "Nothing to fix.")
        print(f"secrets/deploy_key {what}. {fix if fix != FIX else 'As it was, it is deploy_key.old now.'}")
        if fix == FIX and (whole := fixed(content)):
            write_private(KEY.with_name("deploy_key.old"), content)
            write_private(KEY, whole)
    return 1 if fix == NEW_KEY else 0
