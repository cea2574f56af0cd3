"""make ui: Airflow with its UI, for this project's DAGs alone. Ctrl-C stops all of it.

OPEN=0 leaves the browser alone. What Airflow logs goes to .airflow/ui.log. Who runs it: .airflow/ui.json;
a second `make ui` says where the pages are, and ends what a killed one has left behind.
"""

import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import webbrowser
from pathlib import Path
from typing import Any, TextIO

import psutil

from etl_tools import answers
from etl_tools.local import environment

# What ui.json holds; what is read there may be of any type.
State = dict[str, Any]
LOG = environment.HOME / "ui.log"
STATE = environment.HOME / "ui.json"
PASSWORDS = "simple_auth_manager_passwords.json.generated"  # in AIRFLOW_HOME
PATIENCE = 300  # seconds until the pages must be there
PORTS = {
    "AIRFLOW__API__PORT": 8080,
    "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": 8793,
    "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": 8794,
}
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """Ctrl-C, a closed terminal, or whoever read what this prints has gone."""


class Switch:
    """Signals raise Stopped while it is on, once; before that they are remembered."""

    def __init__(self) -> None:
        self.on = self.asked = False
        # nohup starts it with SIGHUP ignored, and means it. A shell does so with SIGINT for a background job,
        # but there is kill -INT, and Airflow would inherit that.
        for number in ENDS:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self.flip)

    def flip(self, *_: object) -> None:
        self.asked = True
        if self.on:
            self.on = False
            raise Stopped

    def turn_on(self) -> None:
        self.on = True
        if self.asked:
            self.flip()


def main() -> int:
    """Run Airflow until it is stopped; return the exit code."""
    status = serve_pages()
    forget_unread()
    return status


def serve_pages() -> int:
    switch = Switch()
    try:
        environment.set_up()
        with open(LOG, "a") as log:
            # Airflow writes there, and has the lock as long as it lives.
            if not locked(log):
                state = read_state()
                if is_it(state.get("pid"), state.get("started")):
                    say_where(state)
                    return 0
            end_leftovers(log)
            return start(log, choose_ports(), switch)
    except ValueError as problem:
        print(f"make ui: {problem}", file=sys.stderr)
        return 1


def start(log: TextIO, ports: dict[str, str], switch: Switch) -> int:
    if switch.asked:
        return 0
    address = f"http://localhost:{ports['AIRFLOW__API__PORT']}"
    log.truncate(0)
    say(f"Starting Airflow at {address}: about 15 s, a minute on a busy machine ...")
    state = {"pid": os.getpid(), "started": psutil.Process().create_time(), "address": address}
    state["passwords"] = os.path.join(os.environ["AIRFLOW_HOME"], PASSWORDS)
    STATE.write_text(json.dumps(state))
    # In a session of its own: Ctrl-C reaches this script, which then stops Airflow's processes in order.
    airflow = subprocess.Popen(
        [str(Path(sys.executable).parent / "airflow"), "standalone"],
        env=variables(ports),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        state |= {"airflow": airflow.pid, "airflow_started": psutil.Process(airflow.pid).create_time()}
        STATE.write_text(json.dumps(state))
        switch.turn_on()
        return serve(airflow, state)
    except Stopped:
        return 0
    finally:
        switch.on = False
        say("\nStopping Airflow ...")
        end(session(airflow.pid), leader=airflow.pid)
        airflow.wait()
        STATE.unlink(missing_ok=True)


def locked(log: TextIO) -> bool:
    try:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def read_state() -> State:
    """Who runs Airflow here, as far as it is known."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        if isinstance(state := json.loads(STATE.read_text()), dict):
            return state
    return {}


def is_it(pid: Any, started: Any) -> bool:
    """Whether this very process is there, and not another one that got its number."""
    with contextlib.suppress(psutil.Error, TypeError, ValueError):
        return bool(abs(psutil.Process(pid).create_time() - started) < 2)
    return False


def is_running(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def say_where(state: State) -> None:
    print(f"Airflow of this folder {'runs already' if state.get('ready') else 'is starting already'}.\n")
    print(f"  Airflow    {state['address']}\n  passwords  {state['passwords']}\n")
    print(f"The log is {LOG}. Ctrl-C where it was started stops it, or: kill {state['pid']}")


def end_leftovers(log: TextIO) -> None:
    """End what a killed `make ui` has left behind. ValueError: something is there, and nobody knows what."""
    state = read_state()
    leader = state.get("airflow")
    if not isinstance(leader, int):
        leader = 0
    left = session(leader) if leader else []
    if not is_it(leader, state.get("airflow_started")):
        # The leader has gone as well: its session's number may be another's by now.
        left = left if not psutil.pid_exists(leader) and any(map(is_ours, left)) else []
    if any(map(is_running, left)):
        say("Ending the Airflow that a killed make ui has left behind ...")
        end(left, leader=leader)
    if not locked(log):
        raise ValueError(f"another Airflow of this folder runs; end it: `lsof {LOG}` shows its process.")


def is_ours(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.cwd() == str(answers.ROOT) and "airflow" in " ".join(process.cmdline())
    return False


def session(leader: int) -> list[psutil.Process]:
    """The processes of a session, and what they have started in others."""
    found = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == leader:
                found |= {process, *process.children(recursive=True)}
    return list(found)


def end(processes: list[psutil.Process], leader: int) -> None:
    """End them within 5 s. `airflow standalone` waits for one child after the other: they are asked first."""
    first = [process for process in processes if process.pid != leader]
    for asked, seconds in ((first, 1.5), (processes, 1)):
        for process in asked:
            with contextlib.suppress(psutil.Error):
                process.terminate()
        wait_for(asked, seconds)
    # Those that have begun meanwhile, too.
    for process in (*processes, *session(leader)):
        with contextlib.suppress(psutil.Error):
            process.kill()
    wait_for(processes, 2)


def wait_for(processes: list[psutil.Process], seconds: float) -> None:
    until = time.monotonic() + seconds
    while any(map(is_running, processes)) and time.monotonic() < until:
        time.sleep(0.1)


def choose_ports() -> dict[str, str]:
    """A free port for all that listens: the usual one, or one after it. ValueError: a chosen one is used."""
    found: dict[str, str] = {}
    for name, usual in PORTS.items():
        chosen = os.environ.get(name)
        ports = [chosen] if chosen else map(str, range(usual, usual + 1000))
        free = (port for port in ports if port not in found.values() and is_free(int(port)))
        if not (port := next(free, None)):
            raise ValueError(f"port {chosen or usual} is in use. Without {name} in .env, a free one is taken.")
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


def serve(airflow: subprocess.Popen[bytes], state: State) -> int:
    """Say where the pages are as soon as they are there, and wait until Airflow ends."""
    started, address = time.monotonic(), state["address"]
    while not healthy(address):
        if airflow.poll() is not None or time.monotonic() > started + PATIENCE:
            last = "\n".join(LOG.read_text(errors="replace").splitlines()[-15:])
            say(f"make ui: Airflow did not start. The last lines of {LOG}:\n{last}", sys.stderr)
            return 1
        wait()
    STATE.write_text(json.dumps({**state, "ready": True}))
    say(f"It took {time.monotonic() - started:.0f} s.")
    for user, password in json.loads(Path(state["passwords"]).read_text()).items():
        say(f"\n  Airflow   {address}\n  user      {user}\n  password  {password}\n")
    say("What you change in .env or secrets/connections.env counts from the next start on.")
    say(f"The log is {LOG}. Ctrl-C stops everything.")
    if os.environ.get("OPEN") != "0" and has_screen():
        webbrowser.open(address)
    while airflow.poll() is None:
        wait()
    say(f"make ui: Airflow has ended; see {LOG}", sys.stderr)
    return 1


def wait() -> None:
    """Half a second. Stopped: whoever read what this prints has gone, like `| tee` or the terminal."""
    output = select.poll()
    output.register(1, 0)
    if any(event & (select.POLLERR | select.POLLHUP) for _, event in output.poll(0)):
        raise Stopped
    time.sleep(0.5)


def say(text: str, file: TextIO | None = None) -> None:
    """Print it, if anybody is there to read it: without, there is still an Airflow to be stopped."""
    with contextlib.suppress(OSError):
        print(text, file=file, flush=True)


def forget_unread() -> None:
    """What nobody has read, Python would try to write once more when it ends, and complain."""
    for file in (sys.stdout, sys.stderr):
        try:
            file.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())


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
