"""Stands in for kubectl where only a cluster could answer: writes down each call with its standard input, and answers
from RECORDED_KUBECTL/answers.json, a list of [words the call starts with, what to print, exit status].
"""

import json
import os
import sys
from pathlib import Path

folder = Path(os.environ["RECORDED_KUBECTL"])
words = sys.argv[1:]
assert words[0] == "--namespace", words
namespace, words = words[1], words[2:]
given = sys.stdin.read()
with (folder / "calls.jsonl").open("a", encoding="utf-8") as calls:
    calls.write(json.dumps({"namespace": namespace, "words": words, "stdin": given}) + "\n")

for beginning, text, status in json.loads((folder / "answers.json").read_text(encoding="utf-8")):
    if words[: len(beginning)] == beginning:
        print(text, end="", file=sys.stderr if status else sys.stdout)
        sys.exit(status)
if words[0] == "exec":  # what would run in the pod runs here
    import subprocess  # other calls are spared what it takes to load it

    sys.exit(subprocess.run(words[words.index("--") + 1 :], input=given, text=True, check=False).returncode)
