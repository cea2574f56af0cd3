"""Run the checks: `python tests/dag_integrity --help`. See `command.py`."""

import sys
from pathlib import Path

# Python puts this folder on the path; the package's own name is what its modules import each other by.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from dag_integrity.command import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
