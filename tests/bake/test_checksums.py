"""An edit in tools/ is noticed, and what the template writes is none."""

import re
import subprocess

from tests.conftest import run


def check(project, expect=0):
    """Run the line of `make lint` that checks the sums, without the rest of it."""
    (line,) = re.findall(r"^\t(\$\(SHA256SUM\).*?) \|\|", (project / "Makefile").read_text(), re.MULTILINE)
    return run(["make", "--eval", f"check: ; @{line}", "check"], cwd=project, expect=expect)


def test_a_new_project_has_no_edit(bake):
    assert check(bake()) == ""
    assert "Not yours to edit" in (bake() / "tools" / "README.md").read_text()


def test_an_edit_is_named_and_can_be_accepted(bake_fresh):
    project = bake_fresh()
    (project / "tools" / "answers.py").write_text("SLUG = 'mine'\n")
    assert "tools/answers.py: FAILED" in check(project, expect=2)
    run(["git", "add", "--all"], cwd=project)
    (accept,) = re.findall(r"`(git ls-files .*?)`", (project / "tools" / "README.md").read_text())
    subprocess.run(["bash", "-c", accept], cwd=project, check=True)
    assert check(project) == ""


def test_reviews_fold_the_tools(bake):
    shown = run(["git", "check-attr", "linguist-generated", "gitlab-generated", "--", "tools/local/run.py"], cwd=bake())
    assert shown.count(": set") == 2
