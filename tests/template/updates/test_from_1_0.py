"""A project of version 1.0, with its tools/, becomes one that installs them: by cruft and by copier."""

import subprocess
import sys

import pytest

from tests.conftest import TEMPLATE, make_command, run
from tests.template.updates.test_updates import (  # noqa: F401 (tool: a fixture)
    assert_nothing_secret,
    commit,
    create,
    secrets,
    template,
    tool,
)

# The last state of the template whose projects had tools/.
OLD = "a39622ef62830a5f95b8f67b900fb26c37b1b26d"
# In tests/, as version 1.0 had it written.
OWN_RULE = '''"""Our rules."""

from tools.dag_integrity import rule


@rule("ours", "file", "Write it", broken="x = 1\\n", fixed="y = 1\\n")
def ours(source):
    """No x."""
    if "x =" in source.text:
        yield "x"
'''


@pytest.fixture(scope="module")
def history(template, tmp_path_factory):  # noqa: F811
    """The template as a git repository with the tags v0.1.0, the old state, and v0.2.0, this very one."""
    if subprocess.run(["git", "cat-file", "-e", OLD], cwd=TEMPLATE, capture_output=True).returncode:
        pytest.skip("this clone has no history: git fetch --unshallow")
    repository = tmp_path_factory.mktemp("history") / "airflow-etl-template"
    repository.mkdir()
    archive = subprocess.run(["git", "archive", OLD], cwd=TEMPLATE, check=True, capture_output=True).stdout
    subprocess.run(["tar", "x"], cwd=repository, check=True, input=archive)
    run(["git", "init", "--quiet"], cwd=repository)
    commit(repository, "v0.1.0")
    run(["git", "fetch", "--quiet", str(template), "refs/tags/v0.2.0"], cwd=repository)
    run(["git", "read-tree", "-u", "--reset", "FETCH_HEAD"], cwd=repository)
    commit(repository, "v0.2.0")
    return repository


def test_tools_go_and_what_is_the_owners_stays(tool, history, tmp_path):  # noqa: F811
    project = create(tool, history, tmp_path / "work")
    assert (project / "tools" / "cluster" / "deploy.py").exists()
    before = secrets(project)
    readme, makefile = project / "README.md", project / "Makefile"
    readme.write_text(readme.read_text() + "\n## Our own chapter\n\nWhom to call at night.\n")
    # Not at the end: there the lines just before it change, which is a conflict for a person to see.
    own = ".PHONY: ours\nours: ## Our own\n\t@echo ours\n\n"
    makefile.write_text(makefile.read_text().replace("##@ Keys and deployment", f"{own}##@ Keys and deployment"))
    (project / "dags" / "orders.py").write_text('"""A DAG of our own."""\n')
    (project / "tests" / "dag_rules.py").write_text(OWN_RULE)
    pyproject = project / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace("off = []", 'off = []\nown-rules = "tests/dag_rules.py"'))
    commit(project)

    printed = tool.update(project, "v0.2.0")
    run(["git", "add", "--all"], cwd=project)
    assert secrets(project) == before
    assert_nothing_secret(printed, project)
    assert not list(project.rglob("*.rej")), "an edit stands in the way of an update"
    for path in project.rglob("*"):
        if path.is_file() and path.suffix in (".md", ".toml", ".yaml", "") and ".git" not in path.parts:
            assert b"\n<<<<<<< " not in path.read_bytes(), path
    assert run(["git", "ls-files", "--cached", "--others", "tools"], cwd=project).split() == []
    assert "Whom to call at night." in readme.read_text()
    assert (project / "dags" / "orders.py").exists()
    assert (project / "vendor" / "README.md").exists()
    assert run([*make_command(), "ours"], cwd=project).strip() == "ours"
    run([*make_command(), "keys"], cwd=project)
    assert secrets(project) == before
    said = run([sys.executable, "-m", "dag_integrity", "--rules"], cwd=project, expect=2)
    assert "is gone, the checks are installed now" in said
    assert "write from dag_integrity import rule" in said
