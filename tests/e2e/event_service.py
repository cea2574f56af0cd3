"""An FDSN event service on loopback that knows the sample days, and can be told to keep its callers waiting."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class EventService:
    """Answers like the USGS service; while `gate` is cleared, answers are held back in the middle of their body."""

    def __init__(self, sample):
        self.rows, self.header = [], b""
        for path in sorted(sample.glob("*.csv")):
            self.header, *rows = path.read_bytes().splitlines(keepends=True)
            self.rows += rows
        self.gate = threading.Event()
        self.gate.set()
        self.waiting = threading.Semaphore(0)
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                service.answer(self)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/fdsnws/event/1/query"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, request):
        """Send the events from starttime to endtime, both included, as CSV."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(request.path).query).items()}
        start, end = query["starttime"].encode(), query["endtime"].encode()
        body = self.header + b"".join(row for row in self.rows if start <= row.split(b"Z", 1)[0] <= end)
        request.send_response(200)
        request.send_header("Content-Type", "text/csv")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        try:
            request.wfile.write(body[: len(body) // 2])
            request.wfile.flush()
            if not self.gate.is_set():
                self.waiting.release()
                self.gate.wait()
            request.wfile.write(body[len(body) // 2 :])
        except OSError:
            pass  # the caller is gone: that is what one of the tests is about

    def close(self):
        """Let everybody go and stop listening."""
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()
