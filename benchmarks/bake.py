"""Time a whole bake (process, hooks and keys included) beside the import of cookiecutter's command line.

    make bench   or   .venv/bin/python benchmarks/bake.py [RUNS]

Prints medians in seconds and the ratio, taken pair by pair: both run in turn, so that a machine's mood hits both.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TEMPLATE = Path(__file__).resolve().parents[1]


def seconds(command):
    """Run a command to its end and return its wall time in seconds."""
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begin


def main():
    # Some containers set it; cookiecutter would be compiled again at every start.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    imports, bakes = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(runs + 1):
            out = Path(folder) / str(number)
            imported = seconds([sys.executable, "-c", "import cookiecutter.cli"])
            baked = seconds([sys.executable, "-m", "cookiecutter", "--no-input", "-o", str(out), str(TEMPLATE)])
            if number:  # the first pair warms the file system's cache
                imports.append(imported)
                bakes.append(baked)
    ratios = [baked / imported for baked, imported in zip(bakes, imports, strict=True)]
    print(f"import cookiecutter.cli   {statistics.median(imports):.2f} s")
    print(f"bake the default project  {statistics.median(bakes):.2f} s")
    print(
        f"ratio, median of {runs} pairs: {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})"
    )


if __name__ == "__main__":
    main()
