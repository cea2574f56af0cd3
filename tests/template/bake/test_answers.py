"""Every answer that would not work is refused with a plain line, by the hook's functions and by cookiecutter itself."""

import ast
import shlex
import subprocess
import sys
import tomllib

import pytest
from cookiecutter.exceptions import FailedHookException

from hooks import pre_gen_project as hook
from tests.conftest import QUESTIONS, TEMPLATE, bake_into, clean_environment, run

GOOD = {
    "project_slug": "my-etl",
    "owner": "data-team",
    "git_access": "ssh-deploy-key",
    "git_repo": "git@github.com:your-org/my-etl.git",
    "git_branch": "main",
    "dags_subpath": "dags",
    "dag_delivery": "git-sync",
    "executor": "CeleryExecutor",
    "namespace": "airflow",
    "expose": "port-forward",
    "data_root": "file:///opt/airflow/data",
    "ci": "github",
}
APP = {"git_access": "github-app", "git_repo": "https://github.com/your-org/my-etl.git"}
ENTERPRISE = {**APP, "git_repo": "https://git.example.com/your-org/my-etl.git"}
HTTPS = {"git_access": "https-token", "git_repo": "https://github.com/your-org/my-etl.git"}

REFUSED = {
    "project_slug": [
        "", "My-ETL", "my_etl", "1etl", "-etl", "etl-", "my--etl", "a" * 41, "a/b", "../etl", "/etl", "étl", "my etl",
        "airflow", "pandas", "test", "class", "json", "numpy", "extract", "transform", "tests", "$(touch x)", "etl\n",
    ],
    "owner": [
        "", "   ", "airflow", "Airflow", "a,b", " team", "team ", "x" * 51, "$(id)", "`id`", "a\nb", "tab\there", "bell\x07", "null\x00",
        'a"b', "a\\b", "{{ ds }}", "<b>", "a\u202eb", "a\u2028b",
    ],
    "git_repo": [
        "", "github.com/org/repo", "github.com:org/repo", "git@github.com", "git@github.com:", "git@github.com:2222/org/repo",
        "http://github.com/org/repo", "ftp://github.com/org/repo", "file:///srv/repo", "/srv/repo", "git@github.com:../repo",
        "https://user:password@github.com/org/repo", "https://ghp_token@github.com/org/repo", "https://github.com/org/repo",
        "ssh://git:password@github.com/org/repo", "ssh://git@host:99999/repo", "ssh://git@host:0/repo", "ssh://git@host/",
        "-oProxyCommand=x@host:repo", "git@-host:repo", "git@host:$(id)", "git@host:a b", "git@host:repo;id", "git@host:-x",
        "https://github.com/org/../repo", "https://github.com/org/..", "ssh://git@host/org/../repo", "git@host:org/../repo",
    ],
    "git_branch": [
        "", "-x", "/x", "x/", "a//b", "a..b", "a b", "a~1", "a^", "a:b", "a?", "a*", "a[b", "a\\b", "a@{b", "@", "HEAD",
        ".a", "a/.b", "a.lock", "a.lock/b", "a.", "$(id)", "a;b", "x\n", "a" * 201,
    ],
    "dags_subpath": [
        "", "/dags", "dags/", "a//b", "..", "../dags", "a/../b", ".", "./dags", "a b", "a\\b", "tests", "tests/dags", "Tests",
        "Makefile", "makefile/dags", "README.md", "pyproject.toml", "Dockerfile", "requirements.lock", "AGENTS.md",
        "helm", "vendor", "docs", "secrets", "notebooks", ".git", ".github/dags", "$(id)", "-x", "a" * 101,
    ],
    "namespace": ["", "Airflow", "-a", "a-", "a_b", "a.b", "a" * 64, "a b", "$(id)"],
    "expose": [
        "", "ingress", "airflow", "not a host", "a..b", "Airflow.example.com", "https://airflow.example.com", "a.b:8080", "-a.b",
        ".".join(["a" * 60] * 5), "$(id).b",
    ],
    "data_root": [
        "", "/opt/data", "data", "file://data", "file://host", "file:///", "file:///a/", "file:///a/../b", "file:///a b",
        "s3://", "s3://B/x", "s3://bucket/", "s3://user:secret@bucket/x", "gs:bucket", "abfs://", "http://x/y", "s3a://bucket",
        "file:///opt/airflow", "file:///opt/airflow/dags", "file:///opt/airflow/dags/data", "file:///opt/airflow/logs",
        "file:///data/$(id)", "file:///a\n", "file:///etc", "file:///usr/share/x", "file:///opt", "file:///proc", "file:///tmp",
        "file:///tmp/data", "file:///var", "file:///var/tmp/x", "file:///home/airflow/data", "file:///dev/shm",
    ],
}  # fmt: skip

OWNERS = [
    "R&D",
    "Müller & Söhne's",
    "O'Brien (Data): #1 - 50%",
    "數據團隊",
    "Данные",
    "डेटा",
    "👩 lab",
    "- x",
    "yes",
    "&a *b !c",
]

ACCEPTED = {
    "project_slug": ["a", "etl2", "a-b-c-1", "a" * 40],
    "owner": ["data-team", "Data Team", "someone@example.com", "x", "a.b_c", *OWNERS],
    "git_repo": [
        "git@gitlab.com:group/sub/repo.git", "deploy@git.example.com:repo", "ssh://git@host:2222/path/repo.git",
        "ssh://host/repo", "git@10.0.0.5:repo.git", "git@host:~user/repo", "git@localhost:repo",
    ],
    "git_branch": ["main", "release/2.0", "feature_x", "v1.0+rc-1"],
    "dags_subpath": ["dags", "airflow/dags", "airflow", "src/my_dags", "dags-1"],
    "namespace": ["a", "airflow-2", "1a", "a" * 63],
    "expose": ["nodeport", "airflow.example.com", "a.b", "a-1.example.co.uk"],
    "data_root": [
        "file:///data", "file:///opt/airflow/data", "file:///mnt/data", "file:///srv", "file:///var/lib/etl", "file:///opt/x",
        "file:///tmpfs", "file:///etcetera", "s3://bucket", "s3://my.bucket/a/b=c", "gs://bucket/x",
        "abfs://container@account.dfs.core.windows.net/x", "abfs://container",
    ],
}  # fmt: skip

BESIDE_EACH_OTHER = [
    ({"git_access": "public"}, "HTTPS address"),
    ({"git_access": "https-token"}, "HTTPS address"),
    ({"git_access": "https-token", "git_repo": "ssh://git@host/repo"}, "HTTPS address"),
    ({"git_access": "github-app"}, "HTTPS address"),
    ({**APP, "git_repo": "https://gitlab.com/acme/my-etl.git"}, "repositories of GitHub, not of gitlab.com"),
    ({**ENTERPRISE, "dag_delivery": "git-dag-bundle"}, "take dag_delivery git-sync"),
    ({**HTTPS, "git_repo": "https://x-token:abc@github.com/org/repo"}, "must not contain"),
    ({"executor": "SequentialExecutor"}, "executor"),
    ({"ci": ""}, "ci"),
    ({"__package": "../../x"}, "__package"),
    ({"__storage": "s3"}, "__storage"),
    ({"__ingress_host": "x.y"}, "__ingress_host"),
    ({"owner": None}, "owner"),
]  # fmt: skip

FIT_TOGETHER = [
    {},
    HTTPS,
    {**HTTPS, "git_access": "public"},
    {**APP, "dag_delivery": "git-dag-bundle"},
    ENTERPRISE,
    {"git_repo": "git@ssh.dev.azure.com:v3/org/my%20project/repo"},
    {"expose": "airflow.example.com", "__ingress_host": "airflow.example.com"},
    {**HTTPS, "git_repo": "https://git.example.com:8443/org/repo"},
]


def pairs(table):
    return [
        pytest.param(name, value, id=f"{name}={value[:30]!r}") for name, values in table.items() for value in values
    ]


@pytest.mark.parametrize(("name", "value"), pairs(REFUSED))
def test_refused_with_a_plain_line(name, value):
    problems = hook.find_problems(GOOD | {name: value})
    assert problems, f"{name}={value!r} was accepted"
    assert all(problem.startswith(f"{name}: ") and len(problem.splitlines()) == 1 for problem in problems), problems


@pytest.mark.parametrize(("name", "value"), pairs(ACCEPTED))
def test_accepted(name, value):
    assert hook.find_problems(GOOD | {name: value}) == []


@pytest.mark.parametrize(("answers", "named"), BESIDE_EACH_OTHER)
def test_refused_beside_another_answer(answers, named):
    problems = hook.find_problems(GOOD | answers)
    assert len(problems) == 1
    assert named in problems[0]


@pytest.mark.parametrize("answers", FIT_TOGETHER, ids=str)
def test_accepted_together(answers):
    assert hook.find_problems(GOOD | answers) == []


def test_every_text_question_has_a_refused_answer():
    texts = {name for name, default in QUESTIONS.items() if isinstance(default, str) and not name.startswith("_")}
    assert texts == set(REFUSED)


def test_the_hook_knows_the_defaults():
    texts = {
        name: default for name, default in QUESTIONS.items() if isinstance(default, str) and not name.startswith("_")
    }
    assert texts | {"git_repo": None} == hook.TEXTS


def test_twelve_questions():
    assert len([name for name in QUESTIONS if not name.startswith("_")]) <= 12


def test_choices_are_those_of_the_questions():
    asked = {name: tuple(default) for name, default in QUESTIONS.items() if isinstance(default, list)}
    assert {name: choices for name, choices in asked.items() if not name.startswith("_")} == hook.CHOICES


def test_every_question_has_a_help_text():
    asked = [name for name in QUESTIONS if not name.startswith("_")]
    prompts = QUESTIONS["__prompts__"]
    assert list(prompts) == asked
    for name, text in prompts.items():
        texts = [text] if isinstance(text, str) else [text["__prompt__"], *(text[c] for c in QUESTIONS[name])]
        # rich, which prints them, takes brackets for markup and drops them.
        assert all(text and "[" not in text for text in texts)


@pytest.mark.parametrize(
    ("version", "accepted"),
    [("2.7.1", True), ("2.8.0", True), ("3.0", True), ("2.7.0", False), ("2.6.0", False), ("1.7.3", False)],
)
def test_old_cookiecutter_gets_one_line(version, accepted):
    problem = hook.check_cookiecutter(version)
    assert (problem is None) == accepted
    assert accepted or "pip install --upgrade" in problem


def cookiecutter(folder, *arguments, cwd=None, expect=0):
    command = [sys.executable, "-m", "cookiecutter", "--no-input", "-o", str(folder), str(TEMPLATE), *arguments]
    return run(command, cwd=cwd or folder, expect=expect)


BAD = ["owner=airflow", "git_branch=a..b", "namespace=A", "data_root=/data"]


def test_all_problems_at_once_nothing_left_and_no_traceback(tmp_path):
    printed = cookiecutter(tmp_path, *BAD, "project_slug=good-slug", expect=1)
    lines = [line for line in printed.splitlines() if line.startswith("  - ")]
    assert [line.split(":")[0].strip(" -") for line in lines] == [argument.split("=")[0] for argument in BAD]
    assert "Traceback" not in printed
    assert printed.rstrip().endswith("Aborted!")
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_bakes_gets_an_exception(tmp_path):
    with pytest.raises(FailedHookException):
        bake_into(tmp_path, owner="airflow")
    assert list(tmp_path.iterdir()) == []


def test_the_printed_command_asks_again_and_keeps_the_other_answers(tmp_path):
    """A wrong slug costs one more try: the address follows the new one, and so does everything else."""
    out = tmp_path / "out folder"
    answers = ["executor=LocalExecutor", "owner=O'Brien & Söhne", "data_root=s3://bucket/x"]
    printed = cookiecutter(out, *answers, "project_slug=Quakes", cwd=tmp_path, expect=1)
    command = shlex.split(printed.split("as defaults:\n")[1].splitlines()[0])
    assert command[:3] == ["cookiecutter", "-o", str(out)]
    asked = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=tmp_path,
        env=clean_environment(),
        input="quakes\n" + "\n" * 11,
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 0, asked.stdout + asked.stderr
    assert "[12/12]" in asked.stdout
    assert "[1/12]" in asked.stdout
    values = (out / "quakes" / "helm" / "values.yaml").read_text()
    assert "git@github.com:your-org/quakes.git" in values
    assert "executor: LocalExecutor" in values
    assert "s3://bucket/x" in values
    assert tomllib.loads((out / "quakes" / "pyproject.toml").read_text())["project"]["authors"] == [
        {"name": "O'Brien & Söhne"}
    ]


def test_the_printed_command_of_a_second_try_onto_a_project(bake_fresh):
    project = bake_fresh()
    printed = cookiecutter(project.parent, "-f", "owner=airflow", "ci=none", expect=1)
    assert f"\n  cookiecutter -o {project.parent} -f {TEMPLATE} ci=none\n" in printed


def test_a_refused_slug_with_slashes_leaves_no_folder(tmp_path):
    cookiecutter(tmp_path, "project_slug=a/b/c", expect=1)
    for _ in range(100):
        if not list(tmp_path.iterdir()):
            return
        __import__("time").sleep(0.05)
    pytest.fail(f"left behind: {list(tmp_path.rglob('*'))}")


def test_refused_answers_touch_nothing_in_an_existing_project(bake_fresh):
    project = bake_fresh()
    (project / "README.md").write_text("mine\n")
    before = {path: (path.read_bytes(), path.stat()) for path in project.rglob("*") if path.is_file()}
    cookiecutter(project.parent, "-f", *BAD, expect=1)
    after = {path: (path.read_bytes(), path.stat()) for path in project.rglob("*") if path.is_file()}
    assert before == after


# All of them, in as few bakes as they fit into: the last three mean something where they are all there is.
IN_ONE = ["R&D Müller & Söhne's O'Brien (Data): #1 - 50%", "數據團隊 Данные डेटा 👩 lab"]


def test_every_owner_comes_out_of_a_bake():
    assert [owner for owner in OWNERS[:-3] if owner not in " ".join(IN_ONE)] == []


@pytest.mark.parametrize("owner", [*IN_ONE, *OWNERS[-3:]])
def test_an_owner_comes_out_literally(tmp_path, owner):
    """In TOML, in Python and in what is written from them later; nothing there is escaped, and nothing needs it."""
    project = bake_into(tmp_path, owner=owner)
    settings = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    assert settings["project"]["authors"] == [{"name": owner}]
    assert settings["tool"]["dag-integrity"]["owners"] == [owner]
    for name in ("extract", "transform"):
        source = (project / "dags" / f"{name}.py").read_text(encoding="utf-8")
        assert owner in {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}
    ruff = [sys.executable, "-m", "ruff"]
    run([*ruff, "check", "--no-cache", "dags"], cwd=project)
    run([*ruff, "format", "--no-cache", "--check", "dags"], cwd=project)


def test_template_code_in_an_answer_is_refused(tmp_path):
    printed = cookiecutter(tmp_path, "owner=<< 7 * 7 >>", expect=1)
    assert "owner: must not contain" in printed
    assert list(tmp_path.iterdir()) == []
