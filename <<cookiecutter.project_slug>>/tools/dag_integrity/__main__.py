"""Run the checks: `python -m tools.dag_integrity --help`. See `command.py`."""

import sys

from .command import main

if __name__ == "__main__":
    sys.exit(main())
