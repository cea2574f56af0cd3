"""make ui: Airflow with its web pages, for this project's DAGs alone. Ctrl-C stops all of it.

What Airflow logs goes to .airflow/ui.log.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
HOME = Path(os.environ.get("AIRFLOW_HOME", REPOSITORY / ".airflow"))
LOG = HOME / "ui.log"
PASSWORDS = HOME / "simple_auth_manager_passwords.json.generated"
PATIENCE = 300  # seconds until the pages must be there


def main() -> int:
    port = int(os.environ.get("AIRFLOW__API__PORT", "8080"))
    address = f"http://localhost:{port}"
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            print(
                f"make ui: port {port} is in use. Stop what listens there, or choose another port: "
                "AIRFLOW__API__PORT=8081 make ui",
                file=sys.stderr,
            )
            return 1
    HOME.mkdir(parents=True, exist_ok=True)
    print("Starting Airflow, which takes about a minute ...", flush=True)
    with open(LOG, "w") as log:
        # In a session of its own: Ctrl-C reaches this script, which then stops Airflow's processes in order.
        airflow = subprocess.Popen(
            [str(Path(sys.executable).parent / "airflow"), "standalone"],
            env=environment(port),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return serve(airflow, address)
        except KeyboardInterrupt:
            return 0
        finally:
            stop(airflow)


def environment(port: int) -> dict:
    bin_folder = Path(sys.executable).parent
    return {
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "<< cookiecutter.dags_subpath >>"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        # New DAGs are on and new files show up at once: this is where they are written.
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "ETL_DATA_ROOT": f"file://{HOME}/data",
        **os.environ,
        # `airflow standalone` starts `airflow` from PATH.
        "PATH": f"{bin_folder}{os.pathsep}{os.environ.get('PATH', '')}",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://localhost:{port}/execution/",
    }


def serve(airflow: subprocess.Popen, address: str) -> int:
    """Say where the pages are as soon as they are there, and wait until Airflow ends."""
    end = time.monotonic() + PATIENCE
    while not healthy(address):
        if airflow.poll() is not None or time.monotonic() > end:
            print(f"make ui: Airflow did not start. The last lines of {LOG}:", file=sys.stderr)
            print("\n".join(LOG.read_text(errors="replace").splitlines()[-15:]), file=sys.stderr)
            return 1
        time.sleep(1)
    for user, password in json.loads(PASSWORDS.read_text()).items():
        print(f"\n  Airflow   {address}\n  user      {user}\n  password  {password}\n")
    print(f"The log is {LOG}. Ctrl-C stops everything.", flush=True)
    airflow.wait()
    print(f"make ui: Airflow has ended; see {LOG}", file=sys.stderr)
    return 1


def healthy(address: str) -> bool:
    """Whether the pages, the scheduler and the DAG processor all run."""
    try:
        with urllib.request.urlopen(f"{address}/api/v2/monitor/health", timeout=5) as answer:  # noqa: S310
            health = json.load(answer)
    except (urllib.error.URLError, OSError, ValueError):
        return False
    return all(health[part]["status"] == "healthy" for part in ("metadatabase", "scheduler", "dag_processor"))


def stop(airflow: subprocess.Popen) -> None:
    """SIGINT lets `airflow standalone` end its children (SIGTERM would leave them); then whoever is left."""
    print("\nStopping Airflow ...", flush=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number, seconds in ((signal.SIGINT, 30), (signal.SIGTERM, 10), (signal.SIGKILL, 10)):
        try:
            os.killpg(airflow.pid, number)
        except ProcessLookupError:
            return
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            airflow.poll()
            try:
                os.killpg(airflow.pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.2)


if __name__ == "__main__":
    # A shell starts a background job with SIGINT ignored, and Airflow would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    sys.exit(main())
