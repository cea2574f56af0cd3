"""What is wrong with a private key that went through an editor, a chat or a clipboard, and how to fix it.

    python3 -m tools.secrets.deploy_key    put secrets/deploy_key into the form that ssh reads

The damaged file stays beside it as deploy_key.old.
"""

import base64
import binascii
import re
import sys

from tools.secrets.git_server import KEY
from tools.secrets.keys import open_secrets, write_manifests, write_private

FIX = "python3 -m tools.secrets.deploy_key"
NEW_KEY = "rm secrets/deploy_key* && make keys, then register the new key"
ARMOUR = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----(.*?)-----END \1-----", re.DOTALL)
TOKEN = re.compile(r"\s*(gh[opsur]_|github_pat_|gl(pat|dt)-|ATB|xox)[\w-]+\s*")


def as_text(content: bytes) -> str:
    """Return a file's text, whatever an editor saved it as."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", errors="replace")
    return content.decode("utf-8-sig", errors="replace")


def unpacked(text: str) -> str | None:
    """Return the text inside if all of ``text`` is base64 of a private key, else None."""
    try:
        inside = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    inner = as_text(inside)
    return inner if ARMOUR.search(inner) else unpacked(inner) if len(inner) < len(text) else None


def fixed(content: bytes) -> bytes | None:
    """Return the key as ssh-keygen would have written it, or None if ``content`` has no complete one."""
    text = as_text(content)
    found = ARMOUR.search(text) or ARMOUR.search(unpacked(text) or "")
    if not found:
        return None
    kind, body = found.groups()
    body = re.sub(r"\\[rn]|\s", "", body)
    if not re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", body):  # an old encrypted key has headers: left alone
        return None
    width = 70 if kind.startswith("OPENSSH") else 64
    lines = [body[start : start + width] for start in range(0, len(body), width)]
    return "\n".join([f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----", ""]).encode()


def damage(content: bytes) -> tuple[str, str] | None:
    """Return what is wrong with the text of a private key and the command that fixes it, or None."""
    text = as_text(content)
    if not text.strip():
        return "is empty", NEW_KEY
    if TOKEN.fullmatch(text):
        return "holds a token, not an SSH key: a token belongs to git_access https-token", NEW_KEY
    if re.match(r"\s*(ssh-|ecdsa-)", text):
        return "holds the public key: the private one, with BEGIN in its first line, belongs here", NEW_KEY
    if text.startswith("PuTTY-User-Key-File"):
        return "is a PuTTY key", "puttygen KEY.ppk -O private-openssh -o secrets/deploy_key"
    if not ARMOUR.search(text):
        if unpacked(text):
            return "is encoded in base64 once too often", FIX
        return "holds no complete private key", NEW_KEY
    if content[:3] == b"\xef\xbb\xbf" or content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "starts with a byte order mark, which an editor on Windows adds", FIX
    if b"\r" in content:
        return "has the line ends of Windows (CRLF)", FIX
    if "\n" not in text.strip():
        return "is on one line", FIX
    if not content.endswith(b"\n"):
        return "has no newline at its end", FIX
    if any(line != line.strip() for line in text.splitlines()) or not text.startswith("-----BEGIN"):
        return "has spaces or other text around its lines", FIX
    return None


def main() -> int:
    open_secrets()
    content = KEY.read_bytes() if KEY.exists() else b""
    found = damage(content)
    if not found:
        print("Nothing to fix: secrets/deploy_key has the form that ssh reads.")
        return 0
    better = fixed(content)
    if better is None:
        print(f"secrets/deploy_key {found[0]}. {found[1]}", file=sys.stderr)
        return 1
    write_private(KEY.with_name("deploy_key.old"), content)
    write_private(KEY, better)
    print(f"secrets/deploy_key {found[0]}: fixed. The file as it was is secrets/deploy_key.old.")
    write_manifests()
    return 0


if __name__ == "__main__":
    sys.exit(main())
