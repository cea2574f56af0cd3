"""Gives a test the recorded kubectl: what to answer, and what was asked."""

import json
import shlex
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("recorded_kubectl.py")
WORKLOADS = "deployment.apps/airflow-scheduler\nstatefulset.apps/airflow-worker\n"


class Recorder:
    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.answers = [
            [["get", "namespace"], "namespace/airflow\n", 0],
            [["get", "deployments,statefulsets"], WORKLOADS, 0],
        ]
        self._write()

    @property
    def environment(self):
        return {"KUBECTL": shlex.join([sys.executable, "-IS", str(SCRIPT)]), "RECORDED_KUBECTL": str(self.folder)}

    def answer(self, call, text="", status=0):
        """Answer calls that start with these words; the newest answer counts."""
        self.answer_words(call.split(), text, status)

    def answer_words(self, words, text="", status=0):
        self.answers.insert(0, [words, text, status])
        self._write()

    def _write(self):
        (self.folder / "answers.json").write_text(json.dumps(self.answers), encoding="utf-8")

    def calls(self):
        """Return the words of each call, joined."""
        return [" ".join(call["words"]) for call in self._read()]

    def given_to(self, beginning):
        """Return the standard input of each call that begins with these words."""
        return [call["stdin"] for call in self._read() if " ".join(call["words"]).startswith(beginning)]

    def forget(self):
        (self.folder / "calls.jsonl").unlink(missing_ok=True)

    def _read(self):
        path = self.folder / "calls.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
