"""Record the README's pictures: the first ten minutes in a terminal (docs/ten-minutes.svg), and pages in a browser.

    .venv/bin/python scripts/record.py            both
    .venv/bin/python scripts/record.py cast       the terminal only
    .venv/bin/python scripts/record.py pages      the browser only

What is recorded is what happens: a new project is made in a temporary folder, and its commands run. Pauses of more
than a second are cut. The terminal needs npm (it fetches svg-term-cli), the pages need Chromium.
"""

import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import urllib.parse
import urllib.request
from pathlib import Path

TEMPLATE = Path(__file__).resolve().parents[1]
DOCS = TEMPLATE / "docs"
COLUMNS, ROWS = 120, 30
LONGEST_PAUSE = 1.0
PROMPT = "$ "
# What is typed, and what is answered to the questions that follow ("": Enter).
SESSION = [
    ("cookiecutter gh:org/airflow-etl-template", ["quakes", *[""] * 11]),
    ("cd quakes", []),
    ("make run", []),
    (
        "python -c 'import pandas as pd; "
        'print(pd.read_parquet(".airflow/data/clean/earthquakes")[["time", "mag", "place"]].tail(3))\'',
        [],
    ),
    ("make new-dag NAME=orders", []),
    ("make run DAG=orders", []),
    ("make test DAG=orders", []),
]
# A viewer that does not animate shows the first frame that has these words: the table that `python` prints.
STILL = {"mag", "place"}
SVG_TERM = "svg-term-cli@2.1.1"
LARGEST = 300_000


class Terminal:
    """A bash in a pseudo-terminal; `events` has what it printed, as [second, text]."""

    def __init__(self, folder):
        self.folder, self.events, self.clock, self.seen = folder, [], 0.0, ""
        bin_folder = folder / "bin"
        bin_folder.mkdir()
        # The address in the README stands for this checkout.
        (bin_folder / "cookiecutter").write_text(
            f'#!/bin/sh\nexec "{TEMPLATE}/.venv/bin/cookiecutter" "{TEMPLATE}"\n', encoding="utf-8"
        )
        (bin_folder / "python").write_text('#!/bin/sh\nexec .venv/bin/python "$@"\n', encoding="utf-8")
        for script in bin_folder.iterdir():
            script.chmod(0o755)
        (folder / "gitconfig").write_text("[user]\nname = You\nemail = you@example.com\n", encoding="utf-8")
        keep = ("PATH", "LANG", "UV_", "PIP_", "SSL_")
        environment = {name: value for name, value in os.environ.items() if name.startswith(keep)} | {
            "PATH": f"{bin_folder}:{TEMPLATE}/.tools/bin:{os.environ['PATH']}",
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"),
            "TERM": "xterm-256color",
            "PS1": PROMPT,
            "PROMPT_COMMAND": f"echo $? > {folder}/status",
            "OPEN": "0",
        }
        self.process, self.file = pty.fork()
        if not self.process:
            os.chdir(folder)
            os.execvpe("bash", ["bash", "--norc", "--noprofile"], environment)
        fcntl.ioctl(self.file, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.read_until(PROMPT)

    def read_until(self, end, patience=900):
        """Read what is printed until it ends with `end`; the clock runs on, but not through long pauses."""
        last, self.seen = time.monotonic(), ""
        deadline = last + patience
        while not self.seen.endswith(end):
            if time.monotonic() > deadline:
                sys.exit(f"No {end!r} after {patience} s:\n{self.seen[-2000:]}")
            if not select.select([self.file], [], [], 1)[0]:
                continue
            text = os.read(self.file, 65536).decode("utf-8", "replace").replace(str(self.folder), "~")
            self.clock += min(time.monotonic() - last, LONGEST_PAUSE)
            last = time.monotonic()
            self.seen += re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", text)
            self.events.append([round(self.clock, 3), "o", text])

    def type(self, text):
        """Type a line as a person does, and press Enter."""
        for character in text:
            os.write(self.file, character.encode())
            self.clock += 0.03
            time.sleep(0.01)
            # The terminal shows each as it comes.
            while select.select([self.file], [], [], 0)[0]:
                self.events.append([round(self.clock, 3), "o", os.read(self.file, 65536).decode()])
        self.clock += 0.4
        os.write(self.file, b"\n")

    def close(self):
        """End the shell."""
        os.write(self.file, b"exit\n")
        os.waitpid(self.process, 0)


def merged(events, apart=0.15):
    """Return the events with those that come close together as one: each is a frame of the picture."""
    found = []
    for second, kind, text in events:
        if found and second - found[-1][0] < apart:
            found[-1][2] += text
        else:
            found.append([second, kind, text])
    return found


def frames(drawing):
    """Return what each frame of an animated SVG says: a list of words for its place from the left."""
    lines = {
        name: re.findall(r">([^<>]+)</text>", line)
        for name, line in re.findall(r'<symbol id="(\w+)">(.*?)</symbol>', drawing)
    }
    film = drawing.split('<g style="animation', 1)[1]
    found = {}
    for place, frame in re.findall(r'<svg(?: x="(\d+)")?>(.*?)</svg>', film):
        words = [lines.get(name) or [word] for name, word in re.findall(r'href="#(\w+)"|>([^<>]+)</text>', frame)]
        found[int(place or 0)] = [word for line in words for word in line]
    return found


def with_still(drawing):
    """Return the SVG with a frame that is seen where nothing moves: in many viewers, and by whoever wants it so."""
    place = next((place for place, words in frames(drawing).items() if STILL.issubset(words)), None)
    if place is None:
        sys.exit(f"No frame shows {' and '.join(sorted(STILL))}: has the session changed?")
    resting = "<style>@media (prefers-reduced-motion:reduce){g{animation:none!important}}"
    moved = f'<g transform="translate(-{place} 0)" style="animation'
    return drawing.replace("<style>", resting, 1).replace('<g style="animation', moved, 1)


def record_cast(svg):
    """Record the session and write it as an animated SVG."""
    with tempfile.TemporaryDirectory() as folder:
        terminal = Terminal(Path(folder))
        for command, answers in SESSION:
            terminal.type(command)
            for answer in answers:
                terminal.read_until(": ")
                terminal.type(answer) if answer else os.write(terminal.file, b"\n")
            terminal.read_until(PROMPT)
            if Path(folder, "status").read_text().strip() != "0":
                sys.exit(f"{command} failed:\n{terminal.seen[-2000:]}")
            terminal.clock += 1.5
        terminal.close()
        cast = Path(folder, "session.cast")
        header = {"version": 2, "width": COLUMNS, "height": ROWS}
        # The last frame stays for a while.
        events = [*merged(terminal.events), [round(terminal.clock + 4, 3), "o", ""]]
        cast.write_text("\n".join(map(json.dumps, [header, *events])) + "\n", encoding="utf-8")
        render = ["npx", "--yes", SVG_TERM, "--in", cast, "--out", svg, "--window", "--no-cursor"]
        subprocess.run(render, check=True, cwd=folder)
    svg.write_text(with_still(svg.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"{svg.relative_to(TEMPLATE)}: {svg.stat().st_size // 1000} kB, {terminal.clock:.0f} s")


def record_pages():
    """Run a new project's Airflow on a sample day and take pictures of its pages; the chart is that of `make run`."""
    sys.path.insert(0, str(TEMPLATE))
    from tests.e2e.browser import Browser

    with tempfile.TemporaryDirectory() as folder:
        bake = [TEMPLATE / ".venv/bin/cookiecutter", "--no-input", "-o", folder, TEMPLATE]
        subprocess.run(bake, check=True, stdout=subprocess.DEVNULL)
        project = Path(folder, "my-etl")
        environment = os.environ | {"OPEN": "0", "PATH": f"{TEMPLATE}/.tools/bin:{os.environ['PATH']}"}
        subprocess.run(["make", "run"], cwd=project, env=environment, check=True)
        charts = sorted((project / ".airflow" / "charts").glob("*.png"))
        shutil.copy(charts[-1], DOCS / "chart.png")
        ui = subprocess.Popen(
            ["make", "ui"],
            cwd=project,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        browser = Browser(DOCS)
        try:
            said = ""
            for line in ui.stdout:
                said += line
                if found := re.search(r"(http://localhost:\d+)\s+user +admin\s+password +(\S+)", said):
                    break
            else:
                sys.exit(f"make ui ended:\n{said}")
            installation = Airflow(*found.groups())
            installation.run_a_day()
            take_pictures(browser(installation), installation)
        finally:
            browser.close()
            os.killpg(ui.pid, signal.SIGINT)
            ui.wait(timeout=60)


class Airflow:
    """A running Airflow, by its REST API."""

    def __init__(self, address, password):
        self.address, self.admin_password = address, password
        self.token = self.call("/auth/token", username="admin", password=password)["access_token"]

    def call(self, path, **body):
        """Return the answer to a request; with a body it is a POST."""
        headers = {"Content-Type": "application/json"}
        if hasattr(self, "token"):
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(self.address + path, json.dumps(body).encode() if body else None, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def runs(self, dag):
        """Return the runs of a DAG, the newest first."""
        return self.call(f"/api/v2/dags/{dag}/dagRuns?order_by=-run_after")["dag_runs"]

    def run_a_day(self):
        """Start extract for a sample day and wait until that run, and all of transform's, are over."""
        started = self.call("/api/v2/dags/extract/dagRuns", logical_date=None, partition_key="2018-02-01")
        for _ in range(180):
            extracted = [run for run in self.runs("extract") if run["dag_run_id"] == started["dag_run_id"]]
            states = {run["state"] for run in [*extracted, *self.runs("transform")]}
            if states == {"success"}:
                return
            time.sleep(2)
        sys.exit(f"Two DAGs and a day did not end in success, but in {states}")


def take_pictures(page, airflow):
    """The list of DAGs, the graphs of the last runs, and the assets."""
    page.goto("/dags")
    page.shows("transform")
    page.picture("dags")
    for dag, task in (("extract", "publish"), ("transform", "clean")):
        run = next(run["dag_run_id"] for run in airflow.runs(dag) if run["state"] == "success")
        page.goto(f"/dags/{dag}/runs/{urllib.parse.quote(run)}")
        page.graph()
        page.has_node(task)
        page.picture(dag)
    (asset,) = [each for each in airflow.call("/api/v2/assets")["assets"] if each["name"] == "earthquakes_raw"]
    page.goto(f"/assets/{asset['id']}")
    page.has_node("earthquakes_clean")
    page.picture("assets")


def main():
    """Record what was asked for, and hold each picture to its size."""
    wanted = sys.argv[1:] or ["cast", "pages"]
    if "cast" in wanted:
        record_cast(DOCS / "ten-minutes.svg")
    if "pages" in wanted:
        record_pages()
    for picture in sorted(DOCS.iterdir()):
        if picture.stat().st_size > LARGEST:
            sys.exit(f"{picture.relative_to(TEMPLATE)} has more than {LARGEST // 1000} kB")


if __name__ == "__main__":
    main()
