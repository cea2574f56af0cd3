"""The two hooks as copier's task: it gets copier's operation and the answers, and is run inside the project."""

import json
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hooks import post_gen_project, pre_gen_project  # noqa: E402


def main(operation, answers):
    """Refuse what would not work (copier then removes a new project); finish what does."""
    answers = {name: answer for name, answer in json.loads(answers).items() if name[0] != "_"}
    problems = pre_gen_project.find_problems(answers)
    if problems:
        print("\nPlease change:", *(f"  - {line}" for line in problems), sep="\n", file=sys.stderr)
        return 1
    post_gen_project.ANSWERS = json.dumps(answers)
    post_gen_project.main(comparison=operation == "update")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
