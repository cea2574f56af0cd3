"""make ui: Airflow with its UI, for this project's DAGs alone. Ctrl-C stops all of it.

OPEN=0 leaves the browser alone. What Airflow logs goes to .airflow/ui.log.
"""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import webbrowser
from pathlib import Path

from etl_tools.local import environment

LOG = environment.HOME / "ui.log"
PASSWORDS = "simple_auth_manager_passwords.json.generated"  # in AIRFLOW_HOME
PATIENCE = 300  # seconds until the pages must be there
PORTS = {
    "AIRFLOW__API__PORT": 8080,
    "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": 8793,
    "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": 8794,
}
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    try:
        environment.set_up()
        ports = choose_ports()
    except ValueError as problem:
        print(f"make ui: {problem}", file=sys.stderr)
        return 1
    home = Path(os.environ["AIRFLOW_HOME"])
    address = f"http://localhost:{ports['AIRFLOW__API__PORT']}"
    with open(LOG, "a") as log:
        try:  # Airflow writes there, and has the lock as long as it lives
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"make ui: it runs already; its log is {LOG}", file=sys.stderr)
            return 1
        log.truncate(0)
        print(f"Starting Airflow at {address}: about 15 s, a minute on a busy machine ...", flush=True)
        # In a session of its own: Ctrl-C reaches this script, which then stops Airflow's processes in order.
        airflow = subprocess.Popen(
            [str(Path(sys.executable).parent / "airflow"), "standalone"],
            env=variables(ports),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return serve(airflow, address, home / PASSWORDS)
        except KeyboardInterrupt:
            return 0
        finally:
            stop(airflow)


def choose_ports() -> dict[str, str]:
    """A free port for all that listens: the usual one, or one after it. ValueError: a chosen one is used."""
    found: dict[str, str] = {}
    for name, usual in PORTS.items():
        chosen = os.environ.get(name)
        ports = [chosen] if chosen else map(str, range(usual, usual + 1000))
        free = (port for port in ports if port not in found.values() and is_free(int(port)))
        if not (port := next(free, None)):
            raise ValueError(f"port {chosen or usual} is in use. Without {name}, a free one is taken.")
        found[name] = port
    return found


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def variables(ports: dict[str, str]) -> dict[str, str]:
    return {
        # New files show up at once: this is where they are written.
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        "AIRFLOW__API__HOST": "127.0.0.1",
        **os.environ,
        **ports,
        # `airflow standalone` starts `airflow` from PATH.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://localhost:{ports['AIRFLOW__API__PORT']}/execution/",
    }


def serve(airflow: subprocess.Popen, address: str, passwords: Path) -> int:
    """Say where the pages are as soon as they are there, and wait until Airflow ends."""
    started = time.monotonic()
    while not healthy(address):
        if airflow.poll() is not None or time.monotonic() > started + PATIENCE:
            print(f"make ui: Airflow did not start. The last lines of {LOG}:", file=sys.stderr)
            print("\n".join(LOG.read_text(errors="replace").splitlines()[-15:]), file=sys.stderr)
            return 1
        time.sleep(0.5)
    print(f"It took {time.monotonic() - started:.0f} s.")
    for user, password in json.loads(passwords.read_text()).items():
        print(f"\n  Airflow   {address}\n  user      {user}\n  password  {password}\n")
    print(f"The log is {LOG}. Ctrl-C stops everything.", flush=True)
    if os.environ.get("OPEN") != "0" and has_screen():
        webbrowser.open(address)
    airflow.wait()
    print(f"make ui: Airflow has ended; see {LOG}", file=sys.stderr)
    return 1


def has_screen() -> bool:
    """Whether a browser has somewhere to appear; without, it would be one that takes this terminal."""
    return sys.platform == "darwin" or not os.environ.keys().isdisjoint(("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"))


def healthy(address: str) -> bool:
    """Whether the pages, the scheduler and the DAG processor all run."""
    try:
        with urllib.request.urlopen(f"{address}/api/v2/monitor/health", timeout=5) as answer:
            health = json.load(answer)
    except (urllib.error.URLError, OSError, ValueError):
        return False
    return all(health[part]["status"] == "healthy" for part in ("metadatabase", "scheduler", "dag_processor"))


def stop(airflow: subprocess.Popen) -> None:
    """SIGINT lets `airflow standalone` end its children (SIGTERM would leave them); then whoever is left."""
    print("\nStopping Airflow ...", flush=True)
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)  # make hands on what has come here already
    for number, seconds in ((signal.SIGINT, 30), (signal.SIGTERM, 10), (signal.SIGKILL, 10)):
        end = time.monotonic() + seconds
        try:
            os.killpg(airflow.pid, number)
            while time.monotonic() < end:
                airflow.poll()
                os.killpg(airflow.pid, 0)
                time.sleep(0.2)
        except ProcessLookupError:  # all have ended
            return


if __name__ == "__main__":
    # A shell starts a background job with SIGINT ignored, and Airflow would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in ENDS[1:]:
        signal.signal(number, lambda *_: sys.exit(0))
    sys.exit(main())
