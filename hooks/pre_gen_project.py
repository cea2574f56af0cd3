"""Refuse answers that would not work: all of them at once, a plain line each, before a single file is written.

Run by cookiecutter's own interpreter, so only the standard library is imported.
"""

import json
import keyword
import os
import re
import sys
from pathlib import Path

# cookiecutter fills these two in; the checks get them as arguments, so that tests can import this file.
ANSWERS = r"""<< cookiecutter | tojson >>"""
AS_TYPED = r"""<< _cookiecutter | default({}) | tojson >>"""

OLDEST_COOKIECUTTER = (2, 7, 1)

CHOICES = {
    "git_access": ("ssh-deploy-key", "https-token", "public"),
    "dag_delivery": ("git-sync", "git-dag-bundle"),
    "deploy_key_type": ("ed25519", "rsa-4096"),
    "executor": ("CeleryExecutor", "KubernetesExecutor", "LocalExecutor"),
    "kubernetes": ("kubernetes", "microk8s"),
    "expose": ("port-forward", "nodeport", "ingress"),
    "ci": ("github", "gitlab", "none"),
}
TEXTS = (
    "project_name",
    "project_slug",
    "description",
    "owner",
    "owner_email",
    "git_repo",
    "git_branch",
    "dags_subpath",
    "namespace",
    "ingress_host",
    "data_root",
)

# Modules of requirements.lock and of the pods' image, and our own: a package of that name would hide one, or be hidden.
TAKEN_MODULES = frozenset(
    """
    a2wsgi adlfs aiobotocore aiohttp aiosmtplib aiosqlite airflow alembic annotated_doc annotated_types
    anyio argcomplete arrow asgiref attr attrs azure babel boto3 botocore cachetools cadwyn celery certifi
    cffi cfgv charset_normalizer click colorlog contourpy cron_descriptor croniter cryptography cycler
    daemon dags dask dateutil deprecated dill distlib dns docker dotenv duckdb elasticsearch email_validator
    extract fastapi fastapi_cli fastjsonschema filelock flask fsspec gcsfs git google greenback greenlet
    grpc gunicorn h11 httpcore httptools httpx hvac identify idna importlib_metadata iniconfig isoduration
    itsdangerous jinja2 jsonschema jsonschema_specifications jupyter jupyter_core jwt kiwisolver kombu
    kubernetes lazy_importer lazy_object_proxy libcst linkify_it lockfile mako markdown_it markupsafe
    matplotlib mdurl methodtools more_itertools mpl_toolkits msgspec multipart natsort nbformat nbstripout
    nodeenv notebooks numpy opentelemetry outcome packaging pandas pathlib_abc pathspec pendulum pip
    platformdirs pluggy plugins polars pre_commit psutil psycopg2 py pyarrow pycparser pydantic
    pydantic_core pydantic_extra_types pydantic_settings pygments pygtrie pylab pymysql pyparsing pytest
    python_discovery python_multipart redis referencing requests rich rich_argparse rich_toolkit rpds ruff
    s3fs scipy scripts setproctitle setuptools shellingham six sklearn slack slugify sniffio snowflake
    sqlalchemy sqlparse starlette statsd structlog svcs tabulate tenacity termcolor test tests
    text_unidecode tools torch traitlets transform typer typing_extensions typing_inspection tzdata upath
    urllib3 uuid6 uv uvicorn uvloop virtualenv watchfiles websockets werkzeug wheel wirerope wrapt yaml
    yamllint zipp
    """.split()  # noqa: SIM905 (two hundred quoted names would be no easier to read)
)
# What the project keeps at its root, besides the DAGs.
TAKEN_FOLDERS = frozenset(["tests", "helm", "tools", "secrets", "notebooks", "build"])

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
        elif any(ord(char) < 32 or 127 <= ord(char) < 160 or char in "\u2028\u2029" for char in value):
            yield f"{name}: must be one line, without control characters"


def check_template_code(as_typed):
    """Yield the answers that hold template code: cookiecutter renders what is given on its command line."""
    for name, value in as_typed.items():
        # The defaults of these two hold template code of ours; what comes out of them is checked to the letter.
        if name in ("project_slug", "git_repo") or not isinstance(value, str):
            continue
        if re.search("<[%#<]", value):
            yield f"{name}: must not hold '<' before another '<', '%' or '#'; cookiecutter would run that"


def check_choices(answers):
    """Yield the questions whose answer is none of the given ones (a replay file may hold anything)."""
    for name, choices in CHOICES.items():
        if answers.get(name) not in choices:
            yield f"{name}: {answers.get(name)!r} is none of {', '.join(choices)}"


def check_names(answers):
    """Yield what is wrong with project_name, project_slug and the package named after it."""
    name, slug = answers["project_name"], answers["project_slug"]
    if not name.strip() or len(name) > 60:
        yield "project_name: must have 1 to 60 characters"
    package = slug.replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", slug) or len(slug) > 40:
        yield (
            f"project_slug: {slug!r} must be lower-case letters, digits and single hyphens, "
            "begin with a letter and have at most 40 characters (my-etl)"
        )
    elif keyword.iskeyword(package) or package in sys.stdlib_module_names | TAKEN_MODULES:
        yield f"project_slug: {slug!r} names a Python module that exists already; add a word ({slug}-etl)"
    if answers.get("__package", package) != package:
        yield f"__package: must be {package!r}, it follows project_slug"


def check_owner(answers):
    """Yield what is wrong with owner and owner_email."""
    owner, email = answers["owner"], answers["owner_email"]
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9 ._@-]{0,48}[A-Za-z0-9])?", owner):
        yield f"owner: {owner!r} must be 1 to 50 letters, digits, spaces or . _ @ - (data-team)"
    elif owner.lower() == "airflow":
        yield "owner: 'airflow' is Airflow's placeholder; name the team that answers for the DAGs"
    if not re.fullmatch(rf"[A-Za-z0-9][A-Za-z0-9._%+-]*@{HOST}\.[A-Za-z]{{2,}}", email):
        yield f"owner_email: {email!r} is not an e-mail address"


def check_git_repo(answers):
    """Yield what is wrong with git_repo, alone and beside git_access and deploy_key_type."""
    repo, access = answers["git_repo"], answers["git_access"]
    scp, ssh, https = SCP_URL.fullmatch(repo), SSH_URL.fullmatch(repo), HTTPS_URL.fullmatch(repo)
    url = scp or ssh or https
    if re.match(r"\w+://[^/@]*:[^/]*@", repo) or re.match(r"https?://[^/]*@", repo):
        yield "git_repo: must not hold a user, password or token; `make secrets` asks for a token when one is needed"
        return
    if not url or ".." in url["path"].split("/"):
        yield f"git_repo: {repo!r} must be git@host:path, ssh://git@host:port/path or https://host/path"
        return
    host, path = url["host"], url["path"]
    if scp and re.match(r"\d+/", path):
        yield f"git_repo: write the port as ssh://{url['user']}@{host}:{path}"
    if not scp and url["port"] and not 0 < int(url["port"]) < 65536:
        yield f"git_repo: the port {url['port']} must lie between 1 and 65535"
    if access == "ssh-deploy-key" and https:
        yield f"git_repo: a deploy key needs an SSH address, such as git@{host}:{path}"
    if access in ("https-token", "public") and not https:
        yield f"git_repo: git_access {access} needs an HTTPS address, such as https://{host}/{path}"
    azure = re.search(r"(^|\.)(azure|visualstudio)\.com$", host.lower())
    if azure and access == "ssh-deploy-key" and answers["deploy_key_type"] == "ed25519":
        yield "deploy_key_type: Azure DevOps takes only RSA keys; choose rsa-4096"


def check_git_branch(answers):
    """Yield a problem if git_branch is no branch name, or one that a shell would interpret."""
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
    """Yield what is wrong with dags_subpath, namespace and ingress_host."""
    subpath, namespace, host = answers["dags_subpath"], answers["namespace"], answers["ingress_host"]
    if not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)*", subpath, re.ASCII) or len(subpath) > 100:
        yield f"dags_subpath: {subpath!r} must be a folder inside the repository, such as dags or airflow/dags"
    elif subpath.split("/")[0].lower() in TAKEN_FOLDERS:
        yield f"dags_subpath: {subpath.split('/')[0]!r} is a folder of the project itself; take another, such as dags"
    if not re.fullmatch(LABEL, namespace):
        yield f"namespace: {namespace!r} must be lower-case letters, digits and hyphens, at most 63 (airflow)"
    if answers["expose"] == "ingress" and not (re.fullmatch(rf"{LABEL}(\.{LABEL})+", host) and len(host) <= 253):
        yield f"ingress_host: {host!r} is not a DNS name (airflow.example.com)"


def check_data_root(answers):
    """Yield a problem if data_root is no absolute URL of a storage that the stock Airflow image can write."""
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
    scheme = root.split(":")[0]
    if answers.get("__storage", scheme) != scheme:
        yield f"__storage: must be {scheme!r}, it follows data_root"


def find_problems(answers, as_typed=None):
    """Return every problem of the answers as a line of text; none means that they work together."""
    problems = [*check_text(answers), *check_choices(answers), *check_template_code(as_typed or {})]
    if problems:
        return problems
    for check in (check_names, check_owner, check_git_repo, check_git_branch, check_places, check_data_root):
        problems += check(answers)
    return problems


def replay_hint(answers):
    """Return how to keep the answers: cookiecutter writes them down before it runs this hook."""
    config = Path(os.environ.get("COOKIECUTTER_CONFIG", "~/.cookiecutterrc")).expanduser()
    text = config.read_text(encoding="utf-8") if config.is_file() else ""
    folder = re.search(r"^replay_dir:\s*[\"']?(.+?)[\"']?\s*$", text, re.MULTILINE)
    folder = os.path.expandvars(folder[1]) if folder else "~/.cookiecutter_replay"
    # Its own file is the newest; the name cannot be relied on, since a template may be given by a relative path.
    replay = max(Path(folder).expanduser().glob("*.json"), key=lambda path: path.stat().st_mtime)
    return (
        f"Your answers are kept. Correct them in {replay} and run\n"
        f"  cookiecutter --replay-file {replay} {answers['_template']}\n"
        "There, __package follows project_slug (my-etl: my_etl) and __storage follows data_root (s3://bucket: s3).\n"
    )


def remove_parents_afterwards(output_dir):
    """Leave no empty folders behind a refused slug with slashes: cookiecutter itself removes only the innermost."""
    here = Path.cwd()
    parents = [parent for parent in here.parents if output_dir in parent.parents]
    if not parents or any(here.iterdir()):
        return
    import subprocess

    wait_and_remove = (
        "import os, sys, time\n"
        "for _ in range(100):\n"
        "    if not os.path.exists(sys.argv[1]): break\n"
        "    time.sleep(0.05)\n"
        "for path in sys.argv[2:]: os.rmdir(path)\n"
    )
    quiet = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    subprocess.Popen([sys.executable, "-c", wait_and_remove, here, *parents], cwd="/", start_new_session=True, **quiet)


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
    # cruft knows neither of these two; its answers lie in the project's .cruft.json.
    if "_repo_dir" in answers:
        print(f"\n{replay_hint(answers)}", file=sys.stderr)
        remove_parents_afterwards(Path(answers["_output_dir"]))
    sys.exit(1)


if __name__ == "__main__":
    main()
