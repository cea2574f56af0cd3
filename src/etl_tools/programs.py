"""Other programs, run without a terminal to ask on; there is an answer in any case."""

import subprocess
from collections.abc import Mapping


def run(
    *command: object, stdin: str = "", timeout: float | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program. A missing one is exit status 127, one that keeps silent is 124, with words on stderr."""
    words = [str(word) for word in command]
    try:
        return subprocess.run(
            words, input=stdin, capture_output=True, text=True, errors="replace", check=False, timeout=timeout, env=env
        )
    except OSError:
        return subprocess.CompletedProcess(words, 127, "", f"{words[0]} is not on PATH")
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(words, 124, "", f"no answer within {timeout:.0f} s: timed out")
