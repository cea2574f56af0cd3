"""Airflow as the chart installs it, its pods' processes started one by one: database, broker, Airflow's components."""

import functools
import json
import os
import pwd
import shutil
import signal
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from tests.conftest import TEMPLATE
from tests.e2e.pods import Pods
from tests.servers.ports import free_port, listening

# Stands for the image: an environment with what apache/airflow brings and these values use.
IMAGE = TEMPLATE / "build" / "e2e" / "image"
DONE = ("success", "failed")


class Installation:
    """One release on loopback. `settings` go beside what the values say; each use says why."""

    def __init__(self, project, root, servers, **settings):
        self.project, self.root, self.servers, self.settings = Path(project), Path(root), servers, settings
        self.pods = Pods(project, root)
        self.pods.mount()
        self.executor = self.pods.values["executor"]
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.timings = {}

    @functools.cached_property
    def environment(self):
        """The environment of every Airflow process; addresses in the cluster are replaced by those on loopback."""
        environment = self.pods.airflow()
        for name in ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW_CONN_AIRFLOW_DB"):
            environment[name] = with_address(environment[name], self.postgres_port)
        if "AIRFLOW__CELERY__BROKER_URL" in environment:
            environment["AIRFLOW__CELERY__BROKER_URL"] = with_address(
                environment["AIRFLOW__CELERY__BROKER_URL"], self.redis_port
            )
        return {
            "PATH": f"{IMAGE}/bin:{os.environ['PATH']}",
            "HOME": str(self.root),
            "LANG": "C.UTF-8",
            "TMPDIR": str(self.root / "tmp"),
            **environment,
            "AIRFLOW__API__BASE_URL": self.address,
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.address}/execution/",
            # There is no statsd here to listen.
            "AIRFLOW__METRICS__STATSD_ON": "False",
            **self.settings,
        }

    def start(self, workers=2):
        """Start everything and wait until it is healthy."""
        started = time.monotonic()
        for folder in ("tmp", "opt/airflow/dags", "opt/airflow/data"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        self.start_postgres()
        if self.executor == "CeleryExecutor":
            self.start_redis()
        self.servers.run("migrate", ["airflow", "db", "migrate"], env=self.environment)
        command, environment = self.pods.first_user()
        self.servers.run("create-user", command, env=self.environment | environment)
        self.admin_password = environment["ADMIN_PASSWORD"]
        self.start_components()
        if self.executor == "CeleryExecutor":
            for number in range(1, workers + 1):
                self.start_worker(f"worker-{number}")
        self.servers.wait_until("Airflow is healthy", self.healthy)
        self.timings["healthy after"] = time.monotonic() - started
        return self

    def start_components(self):
        """Start what every executor needs."""
        address = ["--host", "127.0.0.1", "--port", str(self.port)]
        self.start_component("api-server", "api-server", *address)
        # Tasks that begin before it answers are tried again a minute later.
        self.servers.wait_until("the API server answers", lambda: listening(self.port))
        # Those that serve logs would bind to every interface; the API server reads the files beside it.
        self.start_component("scheduler", "scheduler", "--skip-serve-logs")
        self.start_component("dag-processor", "dag-processor")

    def redeploy(self):
        """Take the values as they are now: every pod of Airflow is replaced, as by `make deploy`."""
        for name in ("dag-processor", "scheduler", "api-server"):
            if self.servers.runs(name):
                self.servers.stop(name)
        self.pods = Pods(self.project, self.root)
        self.pods.mount()
        del self.environment
        self.start_components()
        self.servers.wait_until("Airflow is healthy again", self.healthy)

    def start_component(self, name, *command):
        """Start one of Airflow's processes."""
        self.servers.start(name, ["airflow", *command], env=self.environment, cwd=self.root, stop=signal.SIGINT)

    def start_worker(self, name):
        """Start a Celery worker."""
        self.start_component(name, "celery", "worker", "--celery-hostname", f"{name}@localhost", "--skip-serve-logs")

    def start_postgres(self):
        """Start PostgreSQL with the password of the Secret, as the user postgres where this one is root."""
        programs = programs_of_postgres()
        self.postgres_port, folder = free_port(), self.root / "postgres"
        folder.mkdir()
        password = folder / "password"
        secret = self.pods.values["postgresql"]["auth"]["existingSecret"]
        password.write_text(self.pods.secret(secret, "postgres-password"))
        options = {"cwd": folder, "env": {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}}
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            options |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            for path in (folder, password):
                os.chown(path, account.pw_uid, account.pw_gid)
        data = folder / "data"
        initdb = ["--username=postgres", f"--pwfile={password}", "--auth=scram-sha-256", "--encoding=UTF8", "--no-sync"]
        self.servers.run("initdb", [programs / "initdb", "-D", data, *initdb], **options)
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.postgres_port,
            "unix_socket_directories": folder,
            # What is in it lives as long as the test.
            "fsync": "off",
        }
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        # SIGINT: it closes connections rather than waiting for them to go.
        self.servers.start("postgres", [programs / "postgres", "-D", data, *words], stop=signal.SIGINT, **options)
        self.servers.wait_until("PostgreSQL answers", lambda: listening(self.postgres_port))

    def start_redis(self):
        """Start Redis with the password of the Secret."""
        self.redis_port, configuration = free_port(), self.root / "redis.conf"
        password = self.pods.secret(self.pods.values["redis"]["passwordSecretName"], "password")
        configuration.touch(mode=0o600)
        configuration.write_text(
            f'port {self.redis_port}\nbind 127.0.0.1\nrequirepass {password}\nsave ""\ndir {self.root}\n'
        )
        self.servers.start("redis", ["redis-server", configuration])
        self.servers.wait_until("Redis answers", lambda: listening(self.redis_port))

    def healthy(self):
        """Tell whether the API answers and scheduler and DAG processor are at work."""
        try:
            with urllib.request.urlopen(f"{self.address}/api/v2/monitor/health", timeout=5) as answer:
                health = json.load(answer)
        except (OSError, ValueError):
            return False
        return all(health[part]["status"] == "healthy" for part in ("metadatabase", "scheduler", "dag_processor"))

    # --- The REST API, as admin.

    def ask(self, method, path, body=None, token=None, **query):
        """Return the JSON answer of the API, or None where there is nothing (404)."""
        url = f"{self.address}{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        content = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        if path != "/auth/token":
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(url, content, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as problem:
            if problem.code == 404 and method == "GET":
                return None
            raise AssertionError(f"{method} {url}: {problem.code} {problem.read().decode()}") from None

    @functools.cached_property
    def token(self):
        """A token of the first user's, by the password of the Secret."""
        login = {"username": "admin", "password": self.admin_password}
        return self.ask("POST", "/auth/token", login)["access_token"]

    def dag(self, dag_id):
        """Return what the API knows of a DAG, its params included, or None."""
        return self.ask("GET", f"/api/v2/dags/{dag_id}/details")

    def unpause(self, *dag_ids):
        """Wait until the DAGs are there and switch them on."""
        for dag_id in dag_ids:
            self.servers.wait_until(f"{dag_id} appears", lambda dag_id=dag_id: self.dag(dag_id))
            self.ask("PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": False})

    def first_run_ended(self):
        """Wait until the runs that the schedule began when the DAGs were switched on have ended."""

        def idle():
            runs = self.runs("extract"), self.runs("transform")
            return all(runs) and all(run["state"] in DONE for run in (*runs[0], *runs[1]))

        self.servers.wait_until("the first scheduled run ends", idle)

    def trigger(self, dag_id, **params):
        """Start a run by hand and return its id."""
        return self.ask("POST", f"/api/v2/dags/{dag_id}/dagRuns", {"logical_date": None, "conf": params})["dag_run_id"]

    def runs(self, dag_id):
        """Return the runs of a DAG, the newest first."""
        return self.ask("GET", f"/api/v2/dags/{dag_id}/dagRuns", limit=100, order_by="-id")["dag_runs"]

    def finished(self, dag_id, run_id, seconds=400):
        """Wait until a run has ended and return it."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{urllib.parse.quote(run_id)}"

        def ended():
            run = self.ask("GET", path)
            return run if run and run["state"] in DONE else None

        return self.servers.wait_until(f"{dag_id} {run_id} ends", ended, seconds)

    def tasks(self, dag_id, run_id):
        """Return the task instances of a run, mapped ones one by one."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{urllib.parse.quote(run_id)}/taskInstances"
        return self.ask("GET", path, limit=200)["task_instances"]

    def result(self, dag_id, run_id, day):
        """Return what the last task of a run returned for a day."""
        task_id = {"extract": "publish", "transform": "clean"}[dag_id]
        path = f"/api/v2/dags/{dag_id}/dagRuns/{urllib.parse.quote(run_id)}/taskInstances/{task_id}/xcomEntries"
        return self.ask("GET", f"{path}/return_value", deserialize="true")["value"][day]

    def run_for(self, dag_id, day, after=(), seconds=400):
        """Wait for a finished run of a DAG for a partition, other than the runs `after`; return it."""

        def there():
            for run in self.runs(dag_id):
                if run["partition_key"] == day and run["dag_run_id"] not in after and run["state"] in DONE:
                    return run
            return None

        return self.servers.wait_until(f"{dag_id} for {day} ends", there, seconds)

    def log(self, dag_id, run_id, task_id, try_number=1, map_index=-1):
        """Return the log of a task's attempt as text."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{urllib.parse.quote(run_id)}/taskInstances/{task_id}/logs/{try_number}"
        return json.dumps(self.ask("GET", path, map_index=map_index, full_content="true"))


def with_address(url, port):
    """Return a URL with this port on loopback in place of its own host and port."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}").geturl()


def programs_of_postgres():
    """Return the folder of PostgreSQL's server programs: Debian keeps them off PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    found = shutil.which("initdb")
    assert folders or found, "PostgreSQL is missing (Debian: apt-get install postgresql)"
    return folders[-1] if folders else Path(found).parent
