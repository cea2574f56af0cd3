"""The wheel that projects install: what src/ makes, byte for byte; no other is installed; an index can have it."""

import ast
import graphlib
import http.server
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from functools import partial

import pytest

from scripts import wheel
from tests.conftest import PROJECT_FOLDER, QUESTIONS, TEMPLATE, run

SOURCE = TEMPLATE / "src"
NAME = f"airflow_etl_tools-{QUESTIONS['_tools_version']}-py3-none-any.whl"
VENDORED = PROJECT_FOLDER / "vendor" / NAME


def test_the_wheel_in_vendor_is_what_src_makes(tmp_path):
    assert [path.name for path in VENDORED.parent.glob("*.whl")] == [NAME], "make wheel"
    assert wheel.build(tmp_path).read_bytes() == VENDORED.read_bytes(), "src/ has changed since: make wheel"


def test_its_hash_is_the_one_in_the_lock():
    import hashlib

    (locked,) = re.findall(
        rf"^airflow-etl-tools=={re.escape(QUESTIONS['_tools_version'])} \\\n    --hash=sha256:(\w+)\n",
        (PROJECT_FOLDER / "requirements.lock").read_text(),
        re.MULTILINE,
    )
    assert locked == hashlib.sha256(VENDORED.read_bytes()).hexdigest(), "make wheel"


def test_it_is_stored_sorted_and_of_one_date():
    """So it is the same on any machine, and a change of a line is a small one for git."""
    with zipfile.ZipFile(VENDORED) as archive:
        members = archive.infolist()
    assert {member.compress_type for member in members} == {zipfile.ZIP_STORED}
    assert [member.filename for member in members] == sorted(member.filename for member in members)
    assert {member.date_time for member in members} == {wheel.DATE}
    assert not [member.filename for member in members if "pyc" in member.filename]


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module


def test_the_checks_of_dag_files_know_nothing_of_the_rest():
    """Any Airflow repository can use them; and what works on secrets needs no cluster."""
    for path in (SOURCE / "dag_integrity").rglob("*.py"):
        assert not [name for name in imports_of(path) if name.split(".")[0] == "etl_tools"], path
    for path in (SOURCE / "etl_tools" / "secrets").glob("*.py"):
        assert not [name for name in imports_of(path) if name.startswith(("etl_tools.cluster", "etl_tools.local"))], (
            path
        )


@pytest.fixture
def install(tmp_path):
    """Return a function: project → what uv says when it installs the line of the lock, as make install does."""
    venv = tmp_path / "venv"
    run(["uv", "venv", "--quiet", "--python", sys.executable, str(venv)], cwd=tmp_path)

    def into(project, *options, expect=0):
        text = (project / "requirements.lock").read_text()
        lock = re.findall(r"^airflow-etl-tools==.*\n    .*\n", text, re.MULTILINE)
        (project / "one.lock").write_text(lock[0])
        command = ["uv", "pip", "install", "--python", str(venv / "bin/python"), "--require-hashes", "--no-deps"]
        return run([*command, "--no-cache", *options, "-r", "one.lock"], cwd=project, expect=expect)

    return into


def test_a_tampered_wheel_is_not_installed(bake_fresh, install):
    project = bake_fresh()
    install(project)
    path = project / "vendor" / NAME
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content.replace(b"def main", b"def niam"))
    assert "Hash mismatch" in install(project, "--reinstall", expect=1)


def test_an_index_that_has_it_takes_the_place_of_the_wheel(bake_fresh, install, tmp_path):
    """The wheel is deleted, the folder stays, and nothing else changes."""
    project = bake_fresh()
    index = tmp_path / "index" / "airflow-etl-tools"
    index.mkdir(parents=True)
    shutil.move(project / "vendor" / NAME, index / NAME)
    (index / "index.html").write_text(f'<!DOCTYPE html><a href="{NAME}">{NAME}</a>')
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path / "index")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            install(project, "--default-index", f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()


def verify(*words, expect=0):
    return run([sys.executable, "-m", "etl_tools.cli", "verify", *words], cwd=TEMPLATE, expect=expect)


def test_verify_names_what_differs_from_a_source_tree(tmp_path):
    """What is installed here is editable, so that it is the checkout itself."""
    assert "installed files are those of" in verify(str(TEMPLATE))
    tree = tmp_path / "airflow-etl-template-2.0.0"
    shutil.copytree(SOURCE, tree / "src", ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "src/etl_tools/cli.py").write_text("")
    (tree / "src/etl_tools/programs.py").unlink()
    (tree / "src/etl_tools/added.py").write_text("")
    expected = [
        "etl_tools/added.py: is in the source, and not installed",
        "etl_tools/cli.py: differs",
        "etl_tools/programs.py: is installed, and not in the source",
    ]
    assert verify(str(tree), expect=1).splitlines() == expected
    archive = shutil.make_archive(str(tmp_path / "source"), "gztar", tmp_path, tree.name)
    assert verify(archive, expect=1).splitlines() == expected


@pytest.mark.parametrize("place", [[], ["/nonexistent"], ["."], ["a", "b"]], ids=str)
def test_verify_that_compared_nothing_is_no_success(place, tmp_path):
    if place == ["."]:
        place = [str(tmp_path)]
    assert "installed files are those" not in verify(*place, expect=2)


def test_a_command_outside_a_project_says_so(tmp_path):
    done = subprocess.run([sys.executable, "-m", "etl_tools.cli", "keys"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "is in no project of airflow-etl-template" in done.stderr


def test_a_command_below_the_root_works_on_the_project(bake_fresh):
    project = bake_fresh()
    (project / "secrets" / "fernet_key").unlink()
    run([sys.executable, "-m", "etl_tools.cli", "keys"], cwd=project / "dags")
    assert (project / "secrets" / "fernet_key").exists()


def modules():
    """Return name → file of every module in src/."""
    files = {path.relative_to(SOURCE).with_suffix(""): path for path in SOURCE.rglob("*.py")}
    return {".".join(name.parts).removesuffix(".__init__"): path for name, path in files.items()}


def test_no_imports_go_in_a_circle():
    """Those inside functions, too: what a module needs is below it."""
    known, graph = modules(), {}
    for name, path in known.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        needed = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                above = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
                base = ".".join(filter(None, (above, node.module)))
                submodules = {f"{base}.{alias.name}" for alias in node.names} & known.keys()
                needed |= submodules or ({base} & known.keys())
        graph[name] = needed - {name}
    graphlib.TopologicalSorter(graph).prepare()
