"""Build the wheel that every project gets in vendor/ (`make wheel`), and write its version and hash where they stand.

The members are stored, not deflated, sorted and of one date: the same bytes on any machine, and git keeps small deltas.
"""

import hashlib
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

TEMPLATE = Path(__file__).resolve().parents[1]
PROJECT = TEMPLATE / "<<cookiecutter.project_slug>>"
VENDOR = PROJECT / "vendor"
LOCK = PROJECT / "requirements.lock"
PINS = TEMPLATE / "cookiecutter.json"
# The first that a zip can hold.
DATE = (1980, 1, 1, 0, 0, 0)


def build(folder):
    """Build the wheel into a folder; return its path."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", scratch]
        subprocess.run(command, cwd=TEMPLATE, check=True, capture_output=True)
        (built,) = Path(scratch).glob("*.whl")
        with zipfile.ZipFile(built) as source, zipfile.ZipFile(folder / built.name, "w") as target:
            for name in sorted(source.namelist()):
                member = zipfile.ZipInfo(name, DATE)
                member.external_attr = 0o644 << 16
                member.create_system = 3
                target.writestr(member, source.read(name))
    return folder / built.name


def main():
    """Replace the wheel in vendor/, its hash in the projects' lock and its version in cookiecutter.json."""
    VENDOR.mkdir(exist_ok=True)
    for old in VENDOR.glob("*.whl"):
        old.unlink()
    wheel = build(VENDOR)
    version, digest = wheel.name.split("-")[1], hashlib.sha256(wheel.read_bytes()).hexdigest()
    line = f"airflow-etl-tools=={version} \\\n    --hash=sha256:{digest}\n"
    text = LOCK.read_text(encoding="utf-8")
    text, count = re.subn(r"^airflow-etl-tools==.*\n    --hash=.*\n", lambda _: line, text, flags=re.MULTILINE)
    if count == 1:
        LOCK.write_text(text, encoding="utf-8")
    pins = PINS.read_text(encoding="utf-8")
    PINS.write_text(re.sub(r'("_tools_version": )".*"', rf'\1"{version}"', pins), encoding="utf-8")
    print(f"{wheel.name}: {wheel.stat().st_size / 1000:.0f} KB, sha256 {digest}")
    if count != 1:
        print("requirements.lock does not have it yet: make lock")


if __name__ == "__main__":
    main()
