"""Every answer that would not work is refused with a plain line, by the hook's functions and by cookiecutter itself."""

import json
import sys

import pytest

from hooks import pre_gen_project as hook
from tests.conftest import QUESTIONS, TEMPLATE, run

GOOD = {
    "project_name": "My ETL",
    "project_slug": "my-etl",
    "description": "One line.",
    "owner": "data-team",
    "owner_email": "data-team@example.com",
    "git_access": "ssh-deploy-key",
    "git_repo": "git@github.com:your-org/my-etl.git",
    "git_branch": "main",
    "dags_subpath": "dags",
    "dag_delivery": "git-sync",
    "deploy_key_type": "ed25519",
    "executor": "CeleryExecutor",
    "namespace": "airflow",
    "kubernetes": "kubernetes",
    "expose": "port-forward",
    "ingress_host": "airflow.example.com",
    "data_root": "file:///opt/airflow/data",
    "ci": "github",
}
HTTPS = {"git_access": "https-token", "git_repo": "https://github.com/your-org/my-etl.git"}

REFUSED = {
    "project_name": ["", "   ", "x" * 61, "tab\there", "bell\x07", "two\nlines"],
    "project_slug": [
        "", "My-ETL", "my_etl", "1etl", "-etl", "etl-", "my--etl", "a" * 41, "a/b", "../etl", "/etl", "étl", "my etl",
        "airflow", "pandas", "test", "class", "json", "numpy", "extract", "transform", "tests", "$(touch x)", "etl\n",
    ],
    "description": ["two\nlines", "carriage\rreturn", "null\x00"],
    "owner": ["", "airflow", "Airflow", "a,b", "-x", " team", "team ", "x" * 51, "tëam", "$(id)", "a\nb"],
    "owner_email": ["", "x", "x@y", "a b@example.com", "@example.com", "x@example.com\n", "x@-example.com", "$(id)@e.org"],
    "git_repo": [
        "", "github.com/org/repo", "github.com:org/repo", "git@github.com", "git@github.com:", "git@github.com:2222/org/repo",
        "http://github.com/org/repo", "ftp://github.com/org/repo", "file:///srv/repo", "/srv/repo", "git@github.com:../repo",
        "https://user:password@github.com/org/repo", "https://ghp_token@github.com/org/repo", "https://github.com/org/repo",
        "ssh://git:password@github.com/org/repo", "ssh://git@host:99999/repo", "ssh://git@host:0/repo", "ssh://git@host/",
        "-oProxyCommand=x@host:repo", "git@-host:repo", "git@host:$(id)", "git@host:a b", "git@host:repo;id", "git@host:-x",
    ],
    "git_branch": [
        "", "-x", "/x", "x/", "a//b", "a..b", "a b", "a~1", "a^", "a:b", "a?", "a*", "a[b", "a\\b", "a@{b", "@", "HEAD",
        ".a", "a/.b", "a.lock", "a.lock/b", "a.", "$(id)", "a;b", "x\n", "a" * 201,
    ],
    "dags_subpath": [
        "", "/dags", "dags/", "a//b", "..", "../dags", "a/../b", ".", "./dags", "a b", "a\\b", "tests", "tests/dags", "Tests",
        "helm", "tools", "secrets", "notebooks", ".git", ".github/dags", "$(id)", "-x", "a" * 101,
    ],
    "namespace": ["", "Airflow", "-a", "a-", "a_b", "a.b", "a" * 64, "a b", "$(id)"],
    "data_root": [
        "", "/opt/data", "data", "file://data", "file://host", "file:///", "file:///a/", "file:///a/../b", "file:///a b",
        "s3://", "s3://B/x", "s3://bucket/", "s3://user:secret@bucket/x", "gs:bucket", "abfs://", "http://x/y", "s3a://bucket",
        "file:///opt/airflow", "file:///opt/airflow/dags", "file:///opt/airflow/dags/data", "file:///opt/airflow/logs",
        "file:///data/$(id)", "file:///a\n",
    ],
}  # fmt: skip

ACCEPTED = {
    "project_name": ["x", "Über \"quoted\" 'data' \\ {{ ds }} $(id) `id`", "-x", "數據"],
    "project_slug": ["a", "etl2", "a-b-c-1", "a" * 40],
    "description": ["", "with \"quotes\", 'these', \\ and {{ ds }} $(id) ünïcode # - : %"],
    "owner": ["data-team", "Data Team", "someone@example.com", "x", "a.b_c"],
    "owner_email": ["a@b.org", "first.last+tag@sub.example.co.uk"],
    "git_repo": [
        "git@gitlab.com:group/sub/repo.git", "deploy@git.example.com:repo", "ssh://git@host:2222/path/repo.git",
        "ssh://host/repo", "git@10.0.0.5:repo.git", "git@host:~user/repo", "git@localhost:repo",
    ],
    "git_branch": ["main", "release/2.0", "feature_x", "v1.0+rc-1"],
    "dags_subpath": ["dags", "airflow/dags", "airflow", "src/my_dags", "dags-1"],
    "namespace": ["a", "airflow-2", "1a", "a" * 63],
    "data_root": [
        "file:///data", "file:///opt/airflow/data", "s3://bucket", "s3://my.bucket/a/b=c", "gs://bucket/x",
        "abfs://container@account.dfs.core.windows.net/x", "abfs://container",
    ],
}  # fmt: skip

BESIDE_EACH_OTHER = [
    ({"git_access": "public"}, "HTTPS address"),
    ({"git_access": "https-token"}, "HTTPS address"),
    ({"git_access": "https-token", "git_repo": "ssh://git@host/repo"}, "HTTPS address"),
    ({**HTTPS, "git_repo": "https://x-token:abc@github.com/org/repo"}, "must not hold"),
    ({"git_repo": "git@ssh.dev.azure.com:v3/org/project/repo"}, "deploy_key_type"),
    ({"git_repo": "ssh://git@org.visualstudio.com/x"}, "deploy_key_type"),
    ({"expose": "ingress", "ingress_host": ""}, "ingress_host"),
    ({"expose": "ingress", "ingress_host": "not a host"}, "ingress_host"),
    ({"expose": "ingress", "ingress_host": "airflow"}, "ingress_host"),
    ({"expose": "ingress", "ingress_host": "a..b"}, "ingress_host"),
    ({"expose": "ingress", "ingress_host": ".".join(["a" * 60] * 5)}, "ingress_host"),
    ({"executor": "SequentialExecutor"}, "executor"),
    ({"ci": ""}, "ci"),
    ({"__package": "../../x"}, "__package"),
    ({"__storage": "s3"}, "__storage"),
    ({"owner": None}, "owner"),
]  # fmt: skip

FIT_TOGETHER = [
    {},
    HTTPS,
    {**HTTPS, "git_access": "public"},
    {"git_repo": "git@ssh.dev.azure.com:v3/org/my%20project/repo", "deploy_key_type": "rsa-4096"},
    {"expose": "ingress"},
    {"expose": "nodeport", "ingress_host": ""},
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
    assert texts - {"ingress_host"} == set(REFUSED)
    assert texts == set(hook.TEXTS)


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


def cookiecutter(folder, *arguments, expect=0):
    command = [sys.executable, "-m", "cookiecutter", "--no-input", "-o", str(folder), str(TEMPLATE), *arguments]
    return run(command, cwd=folder, expect=expect)


BAD = ["project_name=" + "x" * 61, "git_branch=a..b", "namespace=A", "owner=airflow", "data_root=/data"]


def test_all_problems_at_once_and_nothing_left(tmp_path):
    printed = cookiecutter(tmp_path, *BAD, "project_slug=good-slug", expect=1)
    lines = [line for line in printed.splitlines() if line.startswith("  - ")]
    assert [line.split(":")[0].strip(" -") for line in lines] == [
        argument.split("=")[0] for argument in ["project_name", "owner", "git_branch", "namespace", "data_root"]
    ]
    assert list(tmp_path.iterdir()) == []


def test_answers_are_kept_for_a_second_try(tmp_path):
    printed = cookiecutter(tmp_path, *BAD, "description=Kept words", "project_slug=good-slug", expect=1)
    command = next(line.split() for line in printed.splitlines() if "--replay-file" in line)
    replay = command[command.index("--replay-file") + 1]
    with open(replay, encoding="utf-8") as file:
        answers = json.load(file)
    answers["cookiecutter"] |= {
        name: GOOD[name] for name in ("project_name", "git_branch", "namespace", "owner", "data_root")
    }
    answers["cookiecutter"]["__storage"] = "file"
    with open(replay, "w", encoding="utf-8") as file:
        json.dump(answers, file)
    assert command[0] == "cookiecutter"
    run([sys.executable, "-m", *command, "-o", str(tmp_path)], cwd=tmp_path)
    assert "Kept words" in (tmp_path / "good-slug" / "pyproject.toml").read_text()


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


@pytest.mark.parametrize("name", ["project_name", "description"])
def test_hostile_text_comes_out_literally(bake_fresh, name, tmp_path):
    mark = tmp_path / "was-run"
    value = f"""a"b'c\\d {{{{ 7*7 }}}} {{% x %}} $(touch {mark}) `id` ${{HOME}} ü"""[
        : 60 if name == "project_name" else None
    ]
    project = bake_fresh(**{name: value, "project_slug": "hostile"})
    assert value in (project / "README.md").read_text()
    assert not mark.exists()


def test_template_code_in_an_answer_is_refused(tmp_path):
    printed = cookiecutter(tmp_path, "description=<< 7 * 7 >>", expect=1)
    assert "description: must not hold" in printed
    assert list(tmp_path.iterdir()) == []
