"""An exporter: a process that serves the metrics of a service whose failures a test switches.

Run as `python exporter.py PORT SERVICE`; `GET /metrics` shows 100 requests a second, and
`GET /fail/SHARE` sets the share of them that fails from now on, by all three SLIs.
"""

import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RATE_PER_S = 100.0


class Traffic:
    """Counts requests that happened since the last look."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._lock = threading.Lock()
        self._seen = time.monotonic()
        self._share = 0.0
        self._good = 0.0
        self._bad = 0.0

    def fail(self, share: float) -> None:
        with self._lock:
            self._advance()
            self._share = share

    def text(self) -> str:
        with self._lock:
            self._advance()
            good, bad = int(self._good), int(self._bad)
        label = f'service="{self._service}"'
        model = f'{label},source="model",reason="ok",arm="model"'
        fallback = f'{label},source="heuristic",reason="deadline",arm="model"'
        holdout = f'{label},source="heuristic",reason="holdout",arm="holdout"'
        seconds = "mlops_decision_duration_seconds"
        return "".join(
            f"{line}\n"
            for line in (
                f'mlops_http_requests_total{{{label},code="200"}} {good}',
                f'mlops_http_requests_total{{{label},code="500"}} {bad}',
                f"mlops_decisions_total{{{model}}} {good}",
                f"mlops_decisions_total{{{fallback}}} {bad}",
                f"mlops_decisions_total{{{holdout}}} {good}",
                f'{seconds}_bucket{{{label},le="0.05"}} {good}',
                f'{seconds}_bucket{{{label},le="+Inf"}} {good + bad}',
                f"{seconds}_count{{{label}}} {good + bad}",
            )
        )

    def _advance(self) -> None:
        now = time.monotonic()
        events = (now - self._seen) * RATE_PER_S
        self._seen = now
        self._bad += events * self._share
        self._good += events * (1 - self._share)


def serve(port: int, service: str) -> None:
    traffic = Traffic(service)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/fail/"):
                traffic.fail(float(self.path.removeprefix("/fail/")))
            body = traffic.text().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
