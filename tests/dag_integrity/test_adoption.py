"""A team takes the checks on: --init reads what the repository is like, --baseline what it already has.

In this process: no Airflow is needed.
"""

import json
import tomllib

import pytest

from dag_integrity import PolicyError, config
from dag_integrity.baseline import only_new, read, record
from dag_integrity.cli import main
from dag_integrity.config import Policy, numbers, read_policy
from dag_integrity.init import write_policy
from dag_integrity.layout import Layout
from dag_integrity.model import RULES, Finding, Report
from dag_integrity.report import summary
from dag_integrity.rules import load_packaged
from dag_integrity.rules.import_errors import explain
from dag_integrity.source import Source

DAG = "from airflow import DAG\n%s\nwith DAG('a'):\n    pass\n"
BY_FUNCTION = "from airflow.x import y\nfrom lib.make import create_dag\nD = create_dag(y)\n"

PYPROJECT = '[project]\nrequires-python = ">=3.11"\ndependencies = [\n"apache-airflow>=3.1,<4"\n]\n'


def repository(folder, files):
    """A repository with these files; a file is a text."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def policy_of(folder):
    write_policy(folder)
    return tomllib.loads((folder / "pyproject.toml").read_text())["tool"]["dag-integrity"]


@pytest.mark.parametrize(
    ("files", "folders"),
    [
        ({"dags/a.py": DAG % "", "tests/dags/test_a.py": DAG % ""}, ["dags"]),
        ({"etl/airflow/dags/team/a.py": DAG % "", "etl/airflow/plugins/b.py": DAG % ""}, ["etl/airflow/dags"]),
        ({"one/dags/a.py": DAG % "", "two/dags/a.py": DAG % "", "two/dags/b.py": DAG % ""}, ["two/dags", "one/dags"]),
        ({"Dockerfile": "COPY --chown=airflow:root src /opt/airflow/dags\n", "src/p/dags/uk/a.py": DAG % ""}, ["src"]),
        ({"docker-compose.yml": "x:\n  - ./flows:/opt/airflow/dags:ro\n", "flows/a.py": DAG % ""}, ["flows"]),
        (
            {"deploy/compose.yaml": 'x:\n  - "../flows:/opt/airflow/dags"\n', "flows/a.py": DAG % "", "dags.txt": ""},
            ["flows"],
        ),
        (
            {
                "airflow.cfg": "[core]\ndags_folder = /usr/local/airflow/pipelines\n",
                "Dockerfile": "ENV AIRFLOW_HOME=/usr/local/airflow\nCOPY jobs $AIRFLOW_HOME/pipelines\n",
                "jobs/a.py": DAG % "",
            },
            ["jobs"],
        ),
        ({"flows/daily/a.py": DAG % "", "lib/b.py": "import airflow\n"}, ["flows/daily"]),
        ({"flows/daily/a.py": DAG % "", "flows/weekly/b.py": DAG % ""}, ["flows"]),
        # The repository itself
        ({"a.py": DAG % "", "team/b.py": DAG % ""}, ["."]),
        ({".airflowignore": "docs/\n", "one/a.py": DAG % "", "two/b.py": DAG % ""}, ["."]),
        # A function of another module makes the DAGs
        ({"dags/a.py": BY_FUNCTION, "lib/make.py": DAG % ""}, ["dags"]),
        ({"dags/a.py": BY_FUNCTION, "lib/__init__.py": "", "lib/dags/make.py": DAG % ""}, ["dags"]),
        ({"Dockerfile": "COPY flows ./dags\n", "flows/a.py": BY_FUNCTION, "lib/make.py": DAG % ""}, ["flows"]),
        # A package that has its DAGs, and nothing else does
        ({"shop/__init__.py": "", "shop/dags/a.py": DAG % ""}, ["shop/dags"]),
        # Variables of docker compose
        ({"compose.yaml": "x:\n  - ${JOBS:-./jobs}:/opt/airflow/dags\n", "jobs/a.py": DAG % ""}, ["jobs"]),
        ({"compose.yaml": "x:\n  - ${MY_DIR}/jobs:/opt/airflow/dags\n", "jobs/a/b.py": DAG % ""}, ["jobs"]),
    ],
)
def test_the_dag_folders_are_found(tmp_path, files, folders):
    policy = policy_of(repository(tmp_path, files))
    assert policy.get("dags-folders", [policy.get("dags-folder")]) == folders


@pytest.mark.parametrize(
    ("name", "text", "version", "python"),
    [
        ("requirements.txt", "pandas\napache-airflow[celery,amazon]==2.10.5\n", "2.10", None),
        ("requirements/base.in", "apache-airflow ~= 2.9.1\n", "2.9", None),
        ("pyproject.toml", PYPROJECT, "3.1", "3.11"),
        ("Dockerfile", "FROM apache/airflow:slim-2.10.5-python3.12\n", "2.10", "3.12"),
        ("docker/airflow/Dockerfile", "ARG AIRFLOW_VERSION=3.0.2\n", "3.0", None),
        ("Dockerfile", "FROM quay.io/astronomer/astro-runtime:11.3.0\n", "2.9", None),
        ("Dockerfile", "FROM astrocrpublic.azurecr.io/runtime:3.1-2\n", "3.1", None),
        ("docker-compose.yaml", "x:\n  image: apache/airflow:2.11.0\n", "2.11", None),
        ("main.tf", "nothing of Airflow", None, None),
    ],
)  # fmt: skip
def test_the_version_of_airflow_is_found(tmp_path, name, text, version, python):
    policy = policy_of(repository(tmp_path, {"dags/a.py": DAG % "", name: text}))
    assert (policy.get("airflow-version"), policy.get("python")) == (version, python)


def test_what_dag_files_import_is_put_on_the_path(tmp_path):
    files = {
        "airflow/dags/a.py": DAG
        % "import helpers.x\nfrom shop.orders import all\nimport utils, json, own, gone_module",
        "airflow/dags/own.py": "",
        "airflow/plugins/operators.py": "",
        "airflow/helpers/__init__.py": "",
        "src/shop/orders.py": "",
        "utils.py": "",
        "tests/gone_module.py": "",
    }
    policy = policy_of(repository(tmp_path, files))
    assert sorted(policy["path"]) == [".", "airflow", "airflow/plugins", "src"]


def test_what_the_image_has_on_the_path_is_there(tmp_path):
    """And no folder of the DAG folder that only happens to have a module of that name."""
    files = {
        "dags/a.py": DAG % "import helper",
        "dags/deep/helper.py": "",
        "dags/plugins/b.py": "",
        "shared/c.py": "",
        "Dockerfile": "ENV PYTHONPATH=$PYTHONPATH:/opt/airflow/lib\nCOPY shared /opt/airflow/lib\nCOPY dags dags\n",
        "compose.yaml": "x:\n  AIRFLOW__CORE__PLUGINS_FOLDER: /opt/airflow/dags/plugins\n",
    }
    assert sorted(policy_of(repository(tmp_path, files))["path"]) == ["dags/plugins", "shared"]


def test_what_is_nearest_to_the_dag_folder_says_the_versions(tmp_path):
    """In a repository of many programs; and what is pinned, not what is the oldest that would do."""
    files = {
        "etl/airflow/dags/a.py": DAG % "",
        "etl/airflow/Dockerfile": "FROM apache/airflow:2.10.5-python3.11\n",
        "etl/requirements.txt": "apache-airflow>=2.2\n",
        "web/Dockerfile": "FROM python:3.14\nRUN pip install 'apache-airflow[x]==3.1.0'\n",
    }
    policy = policy_of(repository(tmp_path, files))
    assert (policy["airflow-version"], policy["python"]) == ("2.10", "3.11")


def test_variables_whose_names_are_computed_come_with_all_others(tmp_path):
    code = "from airflow.models import Variable\nA = Variable.get(f'{prefix}_size')\n"
    files = {"dags/a.py": DAG % code, "variables.json": '{"shop_size": "9"}', "dags/variables.json": '{"x": "no"}'}
    assert policy_of(repository(tmp_path, files))["variables"] == {"shop_size": "9"}


def test_folders_of_the_image_are_those_of_the_repository(tmp_path):
    code = 'import os\nA = os.environ["SQL_FOLDER"]\n'
    files = {
        "dags/a.py": DAG % code,
        "dags/sql/b.sql": "",
        "compose.yaml": "x:\n  SQL_FOLDER: /opt/airflow/dags/sql\n  - ./dags:/opt/airflow/dags\n",
    }
    assert policy_of(repository(tmp_path, files))["environment"] == {"SQL_FOLDER": "{root}/dags/sql"}
    assert read_policy(tmp_path).environment == {"SQL_FOLDER": f"{tmp_path}/dags/sql"}


def test_no_login_of_an_address_is_written(tmp_path):
    code = 'import os\nfrom airflow.models import Variable\nA = Variable.get("hosts")\n'
    code += 'B = os.environ["STORE_URL"]\nE = BaseHook.get_connection("files")\n'
    files = {
        "dags/a.py": DAG % code,
        "variables.json": '{"hosts": [{"host": "db", "PASSWORD": "made-up"}]}',
        ".env": "STORE_URL=https://me:made-up@store/x\n"
        "AIRFLOW_CONN_FILES=aws:///?__extra__=%7B%22aws_secret_access_key%22%3A+%22made-up%22%7D\n",
    }
    policy = policy_of(repository(tmp_path, files))
    assert policy["variables"] == {"hosts": '[{"host": "db", "PASSWORD": ""}]'}
    assert policy["environment"] == {"STORE_URL": "https://me@store/x"}
    assert policy["connections"] == {"files": "aws:///"}


def test_values_come_from_the_repository_and_secrets_do_not(tmp_path):
    code = 'import os\nfrom airflow.models import Variable\nA = Variable.get("limit")\nB = Variable.get("api_token")\n'
    code += 'C = os.environ["STAGE"]\nD = os.environ["ELSEWHERE"]\nE = BaseHook.get_connection("shop")\n'
    code += 'F = Variable.get("sizes")\nG = Variable.get("elsewhere")\n'
    files = {
        "dags/a.py": DAG % code,
        "variables_prod.json": '{"limit": "9", "api_token": "made-up", "unused": "1"}',
        "variables_dev.json": '{"limit": "1", "sizes": {"a": 1}}',
        "docker-compose.yml": (
            "x:\n  environment:\n    STAGE: ${STAGE:-test}\n    AIRFLOW_CONN_SHOP: postgres://me:made-up@db/shop\n"
            "    OTHER: 'x'\n    AIRFLOW__CORE__DAG_IGNORE_FILE_SYNTAX: glob\n"
        ),
    }
    words = write_policy(repository(tmp_path, files))
    policy = tomllib.loads((tmp_path / "pyproject.toml").read_text())["tool"]["dag-integrity"]
    # A DAG file that reads it at import can be looked at, and nobody sees the secret
    assert policy["variables"] == {"limit": "1", "sizes": '{"a": 1}', "api_token": ""}
    assert policy["connections"] == {"shop": "postgres://me@db/shop"}
    assert policy["environment"] == {"STAGE": "test", "AIRFLOW__CORE__DAG_IGNORE_FILE_SYNTAX": "glob"}
    assert "No file says the value of ELSEWHERE" in words
    assert "No file says the value of the Variables elsewhere" in words
    assert "made-up" not in words
    # Such a policy is no house style.
    assert read_policy(tmp_path).stated is False


def test_a_policy_is_appended_and_never_changed(tmp_path, capsys):
    text = '[project]\nname = "x"\n\n[tool.ruff]\nline-length = 100\n'
    repository(tmp_path, {"dags/a.py": DAG % "", "pyproject.toml": text})
    assert main(["--init", "--root", str(tmp_path)]) == 0
    written = (tmp_path / "pyproject.toml").read_text()
    assert written.startswith(text)
    assert "Next: dag-integrity" in capsys.readouterr().out
    assert main(["--init", "--root", str(tmp_path)]) == 2
    assert "never changes one" in capsys.readouterr().err
    assert (tmp_path / "pyproject.toml").read_text() == written


def test_without_a_dag_there_is_no_policy(tmp_path, capsys):
    repository(tmp_path, {"src/a.py": "import airflow\n"})
    assert main(["--init", "--root", str(tmp_path)]) == 2
    assert "There is no file with a DAG" in capsys.readouterr().err
    assert not (tmp_path / "pyproject.toml").exists()


def test_tools_and_environments_are_no_dags(tmp_path):
    files = {f"{place}/dags/a.py": DAG % "" for place in (".venv/lib", "node_modules/x", "venv", "build")}
    assert Layout(repository(tmp_path, files)).dag_files == []


def test_the_version_decides_which_rules_speak(monkeypatch):
    load_packaged()
    two, three = Policy(airflow_version="2.11"), Policy(airflow_version="3.x")
    assert not two.applies(RULES["context-key"])
    assert not two.is_for(RULES["airflow-3"])
    assert three.applies(RULES["context-key"])
    assert two.applies(RULES["template"])
    assert numbers("2.11.1") < numbers("3") < numbers("3.2") < numbers("3.x")
    monkeypatch.setattr(config, "installed_airflow", lambda: "2.10.5")
    assert not Policy().applies(RULES["context-key"])
    monkeypatch.setattr(config, "installed_airflow", lambda: "")
    assert Policy().applies(RULES["context-key"])


def test_an_import_error_of_airflow_2_is_one(tmp_path):
    """And nothing that only Airflow 3 has not."""
    load_packaged()
    path = repository(tmp_path, {"dags/a.py": DAG % "import airflow.nothing"}) / "dags/a.py"
    text = f"File \"{path}\", line 2, in <module>\nModuleNotFoundError: No module named 'airflow.nothing'"
    found = {}
    for version in ("2.11", "3.3"):
        policy = Policy(airflow_version=version)
        found[version] = explain(text, Source(path, tmp_path, policy), tmp_path, policy)
    assert (found["2.11"].rule, found["3.3"].rule) == ("import-error", "airflow-3")
    assert "Airflow 3" not in str(found["2.11"])


def test_static_rules_of_airflow_3_are_silent_for_airflow_2(tmp_path, capsys, monkeypatch):
    old = "from airflow.models.dag import DAG\n\nwith DAG('old', schedule_interval='@daily'):\n    pass\n"
    for version, rules in (("2.11", 0), ("3.x", 1)):
        text = f'[tool.dag-integrity]\nairflow-version = "{version}"\n'
        monkeypatch.chdir(repository(tmp_path, {"dags/old.py": old, "pyproject.toml": text}))
        assert main(["--static", "dags/old.py"]) == rules
        assert ("airflow-3" in capsys.readouterr().out) is bool(rules)


def test_another_airflow_than_the_policy_names_is_refused(tmp_path, capsys, monkeypatch):
    text = '[tool.dag-integrity]\nairflow-version = "2.11"\n'
    repository(tmp_path, {"dags/a.py": DAG % "", "pyproject.toml": text})
    monkeypatch.setattr("dag_integrity.engine.installed_airflow", lambda: "3.3.0")
    assert main(["--root", str(tmp_path)]) == 2
    assert "is 2.11, and Airflow 3.3.0 is installed here" in capsys.readouterr().err


@pytest.mark.parametrize("version", ["newest", "4.0", "2,11"])
def test_a_version_that_is_none_is_refused(tmp_path, version):
    text = f'[tool.dag-integrity]\nairflow-version = "{version}"\n'
    repository(tmp_path, {"dags/a.py": DAG % "", "pyproject.toml": text})
    with pytest.raises(PolicyError, match="airflow-version must be like"):
        read_policy(tmp_path)


def found(*places):
    return [Finding(file, line, rule, wrong, "Do it") for file, line, rule, wrong in places]


def test_a_baseline_hides_what_was_there_and_says_what_has_gone(tmp_path):
    old = found(
        ("a.py", 3, "retries", "Takes 2.1 s"), ("a.py", 4, "retries", "Takes 2 s"), ("b.py", 1, "owner", "None")
    )
    place = tmp_path / "known.json"
    record(place, Report(old, [], ["a.py", "b.py"]))
    # Lines and times have changed, one is new, one has gone.
    now = found(("a.py", 9, "retries", "Takes 7 s"), ("a.py", 9, "tags", "None"), ("c.py", 1, "owner", "None"))
    report = only_new(Report(sorted(now), [], ["a.py"]), read(place))
    assert [(one.file, one.rule) for one in report.findings] == [("a.py", "tags"), ("c.py", "owner")]
    assert (report.known, report.gone) == (1, ("a.py: retries: Takes # s", "b.py: owner: None"))
    assert summary(report, 0).endswith("2 new findings in 2 files (1 in the baseline, 2 gone), 0.0 s")
    # One more of the same kind is new.
    more = found(*[("a.py", line, "retries", f"Takes {line} s") for line in (1, 2, 3)])
    assert [one.line for one in only_new(Report(more, [], ["a.py"]), read(place)).findings] == [3]
    # Of a part of the repository nobody can say what has gone.
    assert only_new(Report([], [], ["a.py"]), read(place), whole=False).gone == ()


BAD = "import datetime\nfrom airflow.sdk import DAG\nNOW = datetime.datetime.now()\nDAG('clock')\n"


@pytest.fixture
def recorded(tmp_path, monkeypatch, capsys):
    """A repository whose policy names a baseline of its one finding."""
    monkeypatch.delenv("CI", raising=False)
    text = '[tool.dag-integrity]\nbaseline = "known.json"\n'
    repository(tmp_path, {"dags/bad.py": BAD, "pyproject.toml": text})
    monkeypatch.chdir(tmp_path)
    assert main(["--static", "dags/bad.py"]) == 2
    assert "There is no known.json" in capsys.readouterr().err  # and nothing is green without it
    record(tmp_path / "known.json", Report(found(("dags/bad.py", 1, "clock-at-import", WRONG)), [], ["dags/bad.py"]))
    return tmp_path


WRONG = "datetime.datetime.now() is read when the file is parsed: every parse gives another value"


def test_the_hook_reports_only_what_is_new(recorded, capsys):
    assert main(["--static", "dags/bad.py"]) == 0
    (recorded / "dags/bad.py").write_text(BAD + "import pandas\n")
    assert main(["--static", "dags/bad.py"]) == 1
    assert "heavy-import" in (printed := capsys.readouterr().out)
    assert "clock" not in printed


def test_a_part_is_no_baseline(recorded, capsys, monkeypatch):
    assert main(["--static", "dags/bad.py", "--baseline", "new.json"]) == 2
    assert "A baseline is of everything" in capsys.readouterr().err
    monkeypatch.setenv("CI", "true")
    assert main(["--static", "dags/bad.py", "--baseline", "missing.json"]) == 2
    assert "There is no missing.json: record it where you work" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 2, "findings": []}', '{"version": 1, "findings": [1]}'])
def test_what_is_no_baseline_is_said(recorded, capsys, text):
    (recorded / "known.json").write_text(text)
    assert main(["--static", "dags/bad.py"]) == 2
    assert "known.json is no baseline" in capsys.readouterr().err


def test_json_has_what_is_known_and_gone(recorded, capsys):
    main(["--static", "dags/bad.py", "--format", "json"])
    content = json.loads(capsys.readouterr().out)
    assert (content["findings"], content["known"], content["gone"]) == ([], 1, [])
