"""make bump: what it finds newest, on real git and HTTP servers of this machine, and what it writes."""

import contextlib
import datetime
import functools
import http.server
import json
import shutil
import threading

import pytest
import yaml

from scripts import bump
from tests.conftest import QUESTIONS, TEMPLATE, run

TEXT = (TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8")
# Written by make wheel: the version of what is in src/.
BY_HAND = {"_python_version", "_tools_version"}
DAYS_OLD = {"1.0": 400, "1.1": 10, "1.2": 5, "2.0": 1}
JSON_INDEX = "application/vnd.pypi.simple.v1+json"


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


def ago(days):
    return datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days)


@contextlib.contextmanager
def serving(handler):
    """Serve on loopback; yield the address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_the_newest_chart(tmp_path, monkeypatch):
    old = "2020-01-02T03:04:05.123456789Z"
    versions = [{"version": version, "created": old} for version in ("7.9.3", "7.11.0-rc1", "7.10.0", "1.4.9")]
    # Out too short a time to be trusted: as text, and as YAML reads a date.
    versions += [{"version": "8.0.0", "created": ago(2).isoformat()}, {"version": "8.1.0", "created": ago(6)}]
    (tmp_path / "index.yaml").write_text(yaml.safe_dump({"entries": {"airflow": versions}}))
    with serving(functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))) as address:
        assert bump.newest_chart(f"{address}/index.yaml") == "7.10.0"
        with pytest.raises(bump.Unreachable, match="404"):
            bump.newest_chart(f"{address}/other.yaml")
        monkeypatch.setattr(bump, "COOLDOWN", 4)
        assert bump.newest_chart(f"{address}/index.yaml") == "8.1.0"


class Index(http.server.BaseHTTPRequestHandler):
    """An index of one package, thing, with releases of different age."""

    def do_GET(self):
        if self.path.endswith(".metadata"):
            version = self.path.split("-")[1]
            text, kind = f"Metadata-Version: 2.1\nName: thing\nVersion: {version}\n", "text/plain"
        else:
            files = [
                {
                    "filename": f"thing-{version}-py3-none-any.whl",
                    "url": f"/files/thing-{version}-py3-none-any.whl",
                    "hashes": {},
                    "core-metadata": True,
                    "upload-time": ago(days).isoformat().replace("+00:00", "Z"),
                }
                for version, days in DAYS_OLD.items()
            ]
            text, kind = json.dumps({"name": "thing", "files": files, "meta": {"api-version": "1.1"}}), JSON_INDEX
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *words):
        pass


@pytest.mark.parametrize(("days", "newest"), [(0, "2.0"), (3, "1.2"), (7, "1.1")])
def test_a_package_that_is_too_new_is_not_taken(monkeypatch, tmp_path, days, newest):
    monkeypatch.setattr(bump, "COOLDOWN", days)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path))
    for name in ("UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_EXCLUDE_NEWER"):
        monkeypatch.delenv(name, raising=False)
    with serving(Index) as address:
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"{address}/simple")
        assert bump.newest_packages(["thing"], "3.12") == {"thing": newest}


def test_seven_days_are_the_rule():
    assert bump.COOLDOWN == 7


def test_make_lock_takes_no_release_that_is_too_new(tmp_path):
    """Every command that resolves gets the days, the project's own `make lock` by the environment."""
    for name in ("Makefile", "cookiecutter.json", "requirements.lock"):
        shutil.copy(TEMPLATE / name, tmp_path)
    program = '#!/bin/sh\necho "$(basename "$0") $* [$UV_EXCLUDE_NEWER] [$COOLDOWN]" >> {}/calls\n'
    (tmp_path / ".venv/bin").mkdir(parents=True)
    for path in (tmp_path / "uv", tmp_path / ".venv/bin/python"):
        path.write_text(program.format(tmp_path))
        path.chmod(0o755)
    # It has nothing to install.
    (tmp_path / ".venv/.installed").touch()
    run(["make", "bump", f"UV={tmp_path}/uv"], cwd=tmp_path)
    calls = (tmp_path / "calls").read_text().splitlines()
    compiled = [call for call in calls if " pip compile " in call]
    assert len(compiled) == 4
    assert all("--exclude-newer 7 days" in call for call in compiled)
    assert all("--upgrade" in call for call in compiled)
    assert [call for call in calls if "scripts/bump.py" in call] == ["python scripts/bump.py [] [7]"]
    (project,) = [call for call in calls if "scripts/lock_project.py" in call]
    assert "[7 days]" in project
    (tmp_path / "calls").unlink()
    run(["make", "lock", f"UV={tmp_path}/uv", "COOLDOWN=0"], cwd=tmp_path)
    assert "--exclude-newer 0 days" in (tmp_path / "calls").read_text()


def test_renovate_waits_as_long(bake):
    settings = json.loads((bake() / "renovate.json").read_text(encoding="utf-8"))
    assert settings["minimumReleaseAge"] == f"{bump.COOLDOWN} days"
