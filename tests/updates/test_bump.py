"""make bump: what it finds newest, on real git and HTTP servers of this machine, and what it writes."""

import functools
import http.server
import json
import threading

import pytest
import yaml

from scripts import bump
from tests.conftest import QUESTIONS, TEMPLATE, run

TEXT = (TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8")
# Written by make wheel: the version of what is in src/.
BY_HAND = {"_python_version", "_tools_version"}


def test_every_pin_is_known():
    """A pin that is added to cookiecutter.json is bumped, too, or left to people on purpose."""
    known = bump.pins(TEXT)
    assert known == {
        name: QUESTIONS[name] for name in QUESTIONS if "_version" in name[1:] or name.startswith("_action_")
    }
    actions = {name for name in known if name.startswith("_action_")}
    others = {"_chart_version", "_git_sync_version", "_helm_version"}
    assert known.keys() - actions == {*bump.PACKAGES} | others | BY_HAND


def test_only_the_pins_change():
    new = {"_ruff_version": "99.1.2", "_pandas_version": "98.0"}
    changed = bump.with_pins(TEXT, new)
    assert json.loads(changed) == json.loads(TEXT) | new
    assert len(changed.splitlines()) == len(TEXT.splitlines())
    assert bump.with_pins(TEXT, bump.pins(TEXT)) == TEXT


def test_the_newest_release_of_an_action_by_its_commit(tmp_path):
    repository = tmp_path / "acme" / "checkout"
    repository.mkdir(parents=True)
    run(["git", "init", "--quiet"], cwd=repository)
    commits = {}
    for tag in ("v9.9.9", "v10.0.0", "v10.0.1-rc1", "v10"):
        run(["git", "commit", "--quiet", "--allow-empty", "--message", tag], cwd=repository)
        run(["git", "tag", "--annotate", "--message", tag, tag], cwd=repository)
        commits[tag] = run(["git", "rev-parse", "HEAD"], cwd=repository).strip()
    found = bump.newest_action("acme/checkout@0123 # v1.0.0", server=str(tmp_path))
    assert found == f"acme/checkout@{commits['v10.0.0']} # v10.0.0"
    with pytest.raises(bump.Unreachable, match="acme/other"):
        bump.newest_action("acme/other@0123 # v1.0.0", server=str(tmp_path))


def test_the_newest_chart(tmp_path):
    versions = [{"version": version} for version in ("7.9.3", "7.11.0-rc1", "7.10.0", "1.5.0")]
    (tmp_path / "index.yaml").write_text(yaml.safe_dump({"entries": {"airflow": versions}}))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        assert bump.newest_chart(f"http://127.0.0.1:{server.server_port}/index.yaml") == "7.10.0"
        with pytest.raises(bump.Unreachable, match="404"):
            bump.newest_chart(f"http://127.0.0.1:{server.server_port}/other.yaml")
    finally:
        server.shutdown()
        server.server_close()
