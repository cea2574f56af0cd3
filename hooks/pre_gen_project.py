"""Refuse answers that would not work: all of them at once, a plain line each, before a single file is written.

Run by cookiecutter's own interpreter, so only the standard library is imported.
"""

import json
import keyword
import os
import re
import shlex
import signal
import sys
import time
from pathlib import Path

# cookiecutter fills these two in; the checks get them as arguments, so that tests can import this file.
ANSWERS = r"""<< cookiecutter | tojson >>"""
AS_TYPED = r"""<< _cookiecutter | default({}) | tojson >>"""

OLDEST_COOKIECUTTER = (2, 7, 1)

CHOICES = {
    "git_access": ("ssh-deploy-key", "https-token", "github-app", "public"),
    "dag_delivery": ("git-sync", "git-dag-bundle"),
    "executor": ("CeleryExecutor", "KubernetesExecutor", "LocalExecutor"),
    "ci": ("github", "gitlab", "none"),
}
# With their defaults; that of git_repo is made of the slug.
TEXTS = {
    "project_slug": "my-etl",
    "owner": "data-team",
    "git_repo": None,
    "git_branch": "main",
    "dags_subpath": "dags",
    "namespace": "airflow",
    "expose": "port-forward",
    "data_root": "file:///opt/airflow/data",
}

# Modules of requirements.lock and of the pods' image, and our own: a package of that name would hide one, or be hidden.
TAKEN_MODULES = frozenset(
    """
    a2wsgi adlfs aiobotocore aiohttp aiosmtplib aiosqlite airflow alembic annotated_doc annotated_types
    anyio argcomplete arrow asgiref attr attrs azure babel boto3 botocore cachetools cadwyn celery certifi
    cffi cfgv charset_normalizer click colorlog contourpy cron_descriptor croniter cryptography cycler
    daemon dag_integrity dags dask dateutil deprecated detect_secrets dill distlib dns docker dotenv duckdb
    elasticsearch email_validator etl_tools extract fastapi fastapi_cli fastjsonschema filelock flask fsspec
    gcsfs git google greenback greenlet grpc gunicorn h11 httpcore httptools httpx hvac identify idna
    importlib_metadata iniconfig isoduration itsdangerous jinja2 jsonschema jsonschema_specifications
    jupyter jupyter_core jwt kiwisolver kombu kubernetes lazy_importer lazy_object_proxy libcst linkify_it
    lockfile mako markdown_it markupsafe matplotlib mdurl methodtools more_itertools mpl_toolkits msgspec
    multipart natsort nbformat nbstripout nodeenv notebooks numpy opentelemetry outcome packaging pandas
    pathlib_abc pathspec pendulum pip platformdirs pluggy plugins polars pre_commit pre_commit_hooks psutil
    psycopg2 py pyarrow pycparser pydantic pydantic_core pydantic_extra_types pydantic_settings pygments
    pygtrie pylab pymysql pyparsing pytest python_discovery python_multipart redis referencing requests rich
    rich_argparse rich_toolkit rpds ruff s3fs scipy scripts setproctitle setuptools shellingham six sklearn
    slack slugify sniffio snowflake sqlalchemy sqlparse starlette statsd structlog svcs tabulate tenacity
    termcolor test tests text_unidecode torch traitlets transform typer typing_extensions typing_inspection
    tzdata upath urllib3 uuid6 uv uvicorn uvloop virtualenv watchfiles websockets werkzeug wheel wirerope
    wrapt yaml yamllint zipp
    """.split()  # noqa: SIM905 (two hundred quoted names would be no easier to read)
)
# What the project keeps at its root, besides the DAGs.
TAKEN_FOLDERS = frozenset(["tests", "helm", "docs", "secrets", "notebooks", "build", "vendor"])
TAKEN_FILES = frozenset(["agents.md", "dockerfile", "makefile", "pyproject.toml", "readme.md", "renovate.json"])
TAKEN_FILES |= {"requirements-image.lock", "requirements.lock"}
# A volume that is mounted over one of these hides what a container needs; what is below /tmp goes with the pod.
SYSTEM = r"bin|boot|dev|etc|home|lib|lib32|lib64|proc|root|run|sbin|sys|tmp|usr|var/(log|run|tmp)"

LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
HOST = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*"
USER = r"(?P<user>[A-Za-z0-9_][A-Za-z0-9._-]*)@"
REPO_PATH = r"(?P<path>[A-Za-z0-9~_][A-Za-z0-9._~%+-]*(/[A-Za-z0-9~_.][A-Za-z0-9._~%+-]*)*)"
SCP_URL = re.compile(rf"{USER}(?P<host>{HOST}):{REPO_PATH}")
SSH_URL = re.compile(rf"ssh://({USER})?(?P<host>{HOST})(:(?P<port>\d+))?/{REPO_PATH}")
HTTPS_URL = re.compile(rf"https://(?P<host>{HOST})(:(?P<port>\d+))?/{REPO_PATH}")


def cookiecutter_version():
    """Return the version of the cookiecutter that runs this hook; cookiecutter 2.7.0 itself says that it is 2.6.0."""
    for folder in sys.path:
        for found in Path(folder).glob("cookiecutter-*.dist-info"):
            return found.name.split("-")[1].removesuffix(".dist")
    # Slower than all the checks together, hence only where the folder's name does not tell.
    from importlib import metadata

    return metadata.version("cookiecutter")


def check_cookiecutter(version):
    """Return a problem if this cookiecutter (a version, as text) is too old, else None."""
    if tuple(int(part) for part in re.findall(r"\d+", version)[:3]) >= OLDEST_COOKIECUTTER:
        return None
    oldest = ".".join(map(str, OLDEST_COOKIECUTTER))
    return f"cookiecutter {version} is too old for this template: pip install --upgrade 'cookiecutter>={oldest}'"


def check_text(answers):
    """Yield the answers that are not one line of text."""
    for name in TEXTS:
        value = answers.get(name)
        if not isinstance(value, str):
            yield f"{name}: must be text"
        elif not value.isprintable():
            yield f"{name}: must be one line, without control characters"


def check_template_code(as_typed):
    """Yield the answers that contain template code: cookiecutter renders what is given on its command line."""
    for name, value in as_typed.items():
        # Its default is template code of ours; what comes out of it is checked to the letter.
        if name == "git_repo" or not isinstance(value, str):
            continue
        if re.search("<[%#<]", value):
            yield f"{name}: must not contain '<' before another '<', '%' or '#'; cookiecutter would run that"


def check_choices(answers):
    """Yield the questions whose answer is not one of the choices (a replay file may hold anything)."""
    for name, choices in CHOICES.items():
        if answers.get(name) not in choices:
            yield f"{name}: {answers.get(name)!r} is not one of {', '.join(choices)}"


def check_slug(answers):
    """Yield what is wrong with project_slug and the package named after it."""
    slug = answers["project_slug"]
    package = slug.replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", slug) or len(slug) > 40:
        yield (
            f"project_slug: {slug!r} must be lower-case letters, digits and single hyphens, "
            "start with a letter and have at most 40 characters (my-etl)"
        )
    elif keyword.iskeyword(package) or package in sys.stdlib_module_names | TAKEN_MODULES:
        yield f"project_slug: {slug!r} is the name of an existing Python module; add a word ({slug}-etl)"


def check_owner(answers):
    """Yield what is wrong with owner: Airflow splits at commas; the rest would need escaping in some file."""
    owner = answers["owner"]
    if not 1 <= len(owner) <= 50 or owner != owner.strip() or re.search(r"""[,"\\<>{}$`]""", owner):
        yield f"""owner: {owner!r} must be 1 to 50 characters without , " \\ < > {{ }} $ ` (data-team)"""
    elif owner.lower() == "airflow":
        yield "owner: 'airflow' is Airflow's placeholder; name the team that owns the DAGs"


def check_git_repo(answers):
    """Yield what is wrong with git_repo, alone and together with git_access."""
    repo, access = answers["git_repo"], answers["git_access"]
    scp, ssh, https = SCP_URL.fullmatch(repo), SSH_URL.fullmatch(repo), HTTPS_URL.fullmatch(repo)
    url = scp or ssh or https
    if re.match(r"\w+://[^/@]*:[^/]*@", repo) or re.match(r"https?://[^/]*@", repo):
        yield "git_repo: must not contain a user, password or token; `make secrets` asks for a token when one is needed"
        return
    if not url or ".." in url["path"].split("/"):
        yield f"git_repo: {repo!r} must be git@host:path, ssh://git@host:port/path or https://host/path"
        return
    host, path = url["host"], url["path"]
    if scp and re.match(r"\d+/", path):
        yield f"git_repo: write the port as ssh://{url['user']}@{host}:{path}"
    if not scp and url["port"] and not 0 < int(url["port"]) < 65536:
        yield f"git_repo: the port {url['port']} must be between 1 and 65535"
    if access == "ssh-deploy-key" and https:
        yield f"git_repo: a deploy key needs an SSH address, such as git@{host}:{path}"
    if access != "ssh-deploy-key" and not https:
        yield f"git_repo: git_access {access} needs an HTTPS address, such as https://{host}/{path}"
    elif access == "github-app" and re.search(r"gitlab|bitbucket|azure\.com$|visualstudio\.com$", host.lower()):
        yield f"git_repo: a GitHub App opens repositories of GitHub, not of {host}; for that one take https-token"
    elif access == "github-app" and answers["dag_delivery"] == "git-dag-bundle" and host.lower() != "github.com":
        yield f"git_repo: GitDagBundle as a GitHub App knows github.com alone; for {host} take dag_delivery git-sync"


def check_git_branch(answers):
    """Yield a problem if git_branch is not a branch name, or is one that a shell would interpret."""
    name = answers["git_branch"]
    parts = name.split("/")
    fits = (
        re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._+/-]{0,199}", name)
        and name != "HEAD"
        and ".." not in name
        and not name.endswith(".")
        and all(part and not part.startswith(".") and not part.endswith(".lock") for part in parts)
    )
    if not fits:
        yield f"git_branch: {name!r} is not a branch name of letters, digits and . _ + - / that git accepts (main)"


def check_places(answers):
    """Yield what is wrong with dags_subpath, namespace and expose."""
    subpath, namespace, expose = answers["dags_subpath"], answers["namespace"], answers["expose"]
    if not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)*", subpath, re.ASCII) or len(subpath) > 100:
        yield f"dags_subpath: {subpath!r} must be a folder inside the repository, such as dags or airflow/dags"
    elif subpath.split("/")[0].lower() in TAKEN_FOLDERS:
        yield f"dags_subpath: {subpath.split('/')[0]!r} is a folder of the project itself; take another, such as dags"
    elif subpath.split("/")[0].lower() in TAKEN_FILES:
        yield f"dags_subpath: {subpath.split('/')[0]!r} is a file of the project itself; take a folder, such as dags"
    if not re.fullmatch(LABEL, namespace):
        yield f"namespace: {namespace!r} must be lower-case letters, digits and hyphens, at most 63 (airflow)"
    if expose not in ("port-forward", "nodeport") and not (
        re.fullmatch(rf"{LABEL}(\.{LABEL})+", expose) and len(expose) <= 253
    ):
        yield f"expose: {expose!r} must be port-forward, nodeport or the host name of an ingress (airflow.example.com)"


def check_data_root(answers):
    """Yield a problem if data_root is not an absolute URL of a storage that the stock Airflow image can write."""
    root = answers["data_root"]
    path = r"(/[A-Za-z0-9_=][A-Za-z0-9._=-]*)"
    bucket = r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]"
    forms = (rf"file://{path}+", rf"(s3|gs)://{bucket}{path}*", rf"abfs://{bucket}(@{HOST})?{path}*")
    if not any(re.fullmatch(form, root) for form in forms):
        yield (
            f"data_root: {root!r} must be file:///absolute/path, s3://bucket/path, gs://bucket/path or "
            "abfs://container@account.dfs.core.windows.net/path, without a slash at the end"
        )
    elif re.match(r"file:///opt/airflow(/(dags|logs)(/|$)|$)", root):
        yield f"data_root: {root} is a folder that Airflow needs for itself; take file:///opt/airflow/data"
    elif re.match(rf"file:///(({SYSTEM})(/|$)|(opt|var)$)", root):
        yield f"data_root: {root} is a folder that the container itself needs; take file:///opt/airflow/data"


def check_derived(answers):
    """Yield the derived values that do not fit the answers: a replay file that was edited by hand may hold such."""
    derived = {
        "__package": answers["project_slug"].replace("-", "_"),
        "__storage": answers["data_root"].split(":")[0],
        "__ingress_host": answers["expose"] if "." in answers["expose"] else "",
    }
    for name, value in derived.items():
        if answers.get(name, value) != value:
            yield f"{name}: must be {value!r}, which follows from the other answers"


def find_problems(answers, as_typed=None):
    """Return every problem of the answers as a line of text; none means that they work together."""
    problems = [*check_text(answers), *check_choices(answers), *check_template_code(as_typed or {})]
    if problems:
        return problems
    for check in (check_slug, check_owner, check_git_repo, check_git_branch, check_places, check_data_root):
        problems += check(answers)
    return problems or list(check_derived(answers))


def repeat_command(answers, problems):
    """Return the command that asks again, with the accepted answers as defaults."""
    refused = {problem.split(":")[0] for problem in problems}
    defaults = TEXTS | {name: choices[0] for name, choices in CHOICES.items()}
    words = ["cookiecutter"]
    if answers["_output_dir"] != os.environ.get("PWD"):
        words += ["-o", answers["_output_dir"]]
    if any(Path.cwd().iterdir()):
        words.append("-f")
    if answers.get("_checkout"):
        words += ["--checkout", answers["_checkout"]]
    words.append(answers["_template"])
    for name, answer in answers.items():
        # An address that was not changed follows the slug, which may be what has to change.
        unchanged = answer == defaults.get(name) or (name == "git_repo" and "your-org/" in answer)
        if name in defaults and name not in refused and not unchanged:
            words.append(f"{name}={answer}")
    return shlex.join(words)


def command_of(process):
    """Return the words of a process's command line, none if they cannot be read."""
    try:
        return Path(f"/proc/{process}/cmdline").read_text().split("\0")
    except OSError:
        pass
    import subprocess  # slow to import, and needed only here

    try:
        return subprocess.run(["ps", "-o", "args=", "-p", str(process)], capture_output=True, text=True).stdout.split()
    except OSError:
        return []


def stop(output_dir):
    """End the run with status 1, without the traceback that cookiecutter prints when a hook fails.

    cookiecutter 2.7.1 logs one for any hook that fails, whatever the hook does (hooks.py, logger.exception).

    The command line gets what Ctrl-C would send; a program that calls cookiecutter as a library gets its exception.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so does the parent, started by a shell with &
        sys.exit(1)
    parent = os.getppid()
    words = [Path(word).name for word in command_of(parent)[:3]]
    if {"cookiecutter", "cruft"} & {*words[:2], *(words[2:] if words[1:2] == ["-m"] else [])}:
        # More than one folder where a refused slug had slashes in it.
        for folder in (Path.cwd(), *Path.cwd().parents):
            if folder == output_dir or any(folder.iterdir()):
                break
            folder.rmdir()
        os.kill(parent, signal.SIGINT)
        for _ in range(40):
            if os.getppid() != parent:
                break
            time.sleep(0.05)
    sys.exit(1)


def main():
    """Check cookiecutter's version first: an old one does not fill in the answers."""
    too_old = check_cookiecutter(cookiecutter_version())
    if too_old:
        sys.exit(too_old)
    answers = json.loads(ANSWERS)
    problems = find_problems(answers, json.loads(AS_TYPED))
    if not problems:
        return
    print("\nNothing was written. Please change:", *(f"  - {line}" for line in problems), sep="\n", file=sys.stderr)
    if "_repo_dir" in answers:
        print("\nThis asks again, with your other answers as defaults:", file=sys.stderr)
        print(f"  {repeat_command(answers, problems)}", file=sys.stderr)
    else:
        # cruft, which keeps a project's answers in its .cruft.json.
        other = json.dumps({problem.split(":")[0]: "..." for problem in problems})
        print(f"\nIn a project: cruft update --variables-to-update '{other}'", file=sys.stderr)
    stop(Path(answers.get("_output_dir", Path.cwd().parent)))


if __name__ == "__main__":
    main()
