"""Bring the pins in cookiecutter.json to the newest releases (`make bump`, which then locks and tests).

Python's own versions stay: they follow Airflow's image, and somebody has to decide on them. A release counts once it is
COOLDOWN days old (default: 7). Tags of git repositories have no date that their owner could not write: for those,
the commit is looked at by whoever reviews the change.
"""

import datetime
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import yaml

TEMPLATE = Path(__file__).resolve().parents[1]
PINS = TEMPLATE / "cookiecutter.json"
# Pin → package on PyPI.
PACKAGES = {
    "_airflow_version": "apache-airflow",
    "_pandas_version": "pandas",
    "_detect_secrets_version": "detect-secrets",
    "_jupyterlab_version": "jupyterlab",
    "_nbstripout_version": "nbstripout",
    "_pre_commit_hooks_version": "pre-commit-hooks",
    "_pytest_version": "pytest",
    "_ruff_version": "ruff",
    "_uv_version": "uv",
    "_yamllint_version": "yamllint",
}
CHARTS = "https://airflow.apache.org/index.yaml"
GITHUB = "https://github.com"
COOLDOWN = int(os.environ.get("COOLDOWN", "7"))


class Unreachable(Exception):
    """A place that knows the newest release does not answer."""


def numbers(version):
    """Return what a version is compared by; pre-releases have none."""
    found = re.fullmatch(r"v?(\d+(?:\.\d+)*)", version)
    return tuple(map(int, found[1].split("."))) if found else ()


def newest_packages(names, python_version):
    """Return package → newest version for a Python, as uv and its settings find them."""
    command = ["uv", "pip", "compile", "--quiet", "--no-deps", "--no-header", "--no-annotate", "--upgrade"]
    command += ["--exclude-newer", f"{COOLDOWN} days", "--python-version", python_version, "-"]
    done = subprocess.run(command, input="\n".join(names), capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unreachable(f"PyPI: {done.stderr.strip().splitlines()[-1]}")
    return dict(line.split("==") for line in done.stdout.split())


def newest_chart(address=CHARTS):
    """Return the newest release of the Airflow chart."""
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            entries = yaml.safe_load(answer)["entries"]["airflow"]
    except OSError as problem:
        raise Unreachable(f"{address}: {problem}") from problem
    before = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=COOLDOWN)
    old_enough = [entry["version"] for entry in entries if _time(entry["created"]) <= before]
    return max(old_enough, key=numbers)


def _time(value):
    """Return a date of the index (2026-06-01T12:00:00.123456789Z; YAML may have read it) with its time zone."""
    if not isinstance(value, datetime.datetime):
        value = datetime.datetime.fromisoformat(re.sub(r"(\.\d{6})\d*", r"\1", value).replace("Z", "+00:00"))
    return value if value.tzinfo else value.replace(tzinfo=datetime.UTC)


def newest_action(pin, server=GITHUB):
    """Return an action at its newest release, as `owner/name@commit # tag`."""
    name = pin.split("@")[0]
    done = subprocess.run(
        ["git", "ls-remote", "--tags", f"{server}/{name}"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Unreachable(f"{name}: {done.stderr.strip().splitlines()[-1]}")
    # An annotated tag has a second line, ^{}, with the commit; it comes after the tag's own.
    tags = {}
    for line in done.stdout.splitlines():
        commit, reference = line.split("\t")
        tags[reference.removeprefix("refs/tags/").removesuffix("^{}")] = commit
    tag = max((tag for tag in tags if len(numbers(tag)) == 3), key=numbers)
    return f"{name}@{tags[tag]} # {tag}"


def pins(text):
    """Return pin → value of every version and action in cookiecutter.json's text."""
    return dict(re.findall(r'^  "(_(?:\w+_version(?:_\w+)?|action_\w+))": "(.*)",?$', text, re.MULTILINE))


def with_pins(text, new):
    """Return the text with these pins, and nothing else changed."""
    for name, value in new.items():
        text, count = re.subn(rf'^(  "{name}": )".*"', rf'\1"{value}"', text, flags=re.MULTILINE)
        assert count == 1, f"{name} is not once in cookiecutter.json"
    return text


def newest(old):
    """Return pin → newest value, and what could not be asked."""
    found, problems = {}, []

    def ask(question):
        try:
            found.update(question())
        except Unreachable as problem:
            problems.append(str(problem))

    def packages():
        versions = newest_packages(PACKAGES.values(), old["_python_version"])
        return {pin: versions[package] for pin, package in PACKAGES.items()}

    ask(packages)
    ask(lambda: {"_chart_version": newest_chart()})
    ask(lambda: {"_helm_version": newest_action("helm/helm").rpartition("v")[2]})
    ask(lambda: {"_git_sync_version": newest_action("kubernetes/git-sync").rpartition("v")[2]})
    for pin, value in old.items():
        if pin.startswith("_action_"):
            ask(lambda: {pin: newest_action(value)})  # noqa: B023
    return found, problems


def main():
    """Write the new pins, and say what changed and what could not be asked."""
    text = PINS.read_text(encoding="utf-8")
    old = pins(text)
    new, problems = newest(old)
    for pin, value in sorted(new.items()):
        if value != old[pin]:
            print(f"{pin}: {old[pin]} → {value}")
    if all(old[pin] == value for pin, value in new.items()):
        print("Every pin that could be asked for is the newest.")
    for problem in problems:
        print(f"Not asked: {problem}", file=sys.stderr)
    PINS.write_text(with_pins(text, new), encoding="utf-8")


if __name__ == "__main__":
    main()
