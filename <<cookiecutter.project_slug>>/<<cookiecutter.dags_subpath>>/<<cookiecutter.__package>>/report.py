"""One structured log line per task: easy to read, easy to search for, easy to parse."""

import json
import time


def log_line(log, event: str, *, started: float, **facts) -> None:
    """Log `event` and its facts as one JSON object, with the seconds since `started` (time.monotonic)."""
    log.info("%s", json.dumps({"event": event, **facts, "seconds": round(time.monotonic() - started, 3)}))
