"""An exporter of everything: all series of a real server's own exposition, each counting up.

Run as `python -m tests.components.whole_exporter PORT SERVICE`. Failures count as fast as the rest,
so budgets burn and alerts fire.
"""

import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import numpy.typing as npt

from mlops.serving.exposition import Exposition
from mlops.serving.series import GAUGES, SIZE

PER_S = 10.0


def totals(seconds: float) -> npt.NDArray[np.float64]:
    """Return the sums after a time: every counter and bucket by as many, every gauge 1."""
    values = np.full(SIZE, np.floor(seconds * PER_S))
    values[list(GAUGES)] = 1.0
    return values


def serve(port: int, service: str) -> None:
    began = time.monotonic()
    exposition = Exposition(service, lambda: totals(time.monotonic() - began))
    exposition.name_bundles(("sha256:new", "ranker"), ("sha256:old", "ranker"))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = exposition.text()
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
