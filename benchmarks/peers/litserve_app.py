# mypy: ignore-errors
"""The LitServe peer: one worker on the CPU, without batching.

Its types are not checked: it runs where LitServe is installed, which this project does not need.
"""

import sys

import litserve

from benchmarks.peers.pipeline import load, ranked, score


class Ranker(litserve.LitAPI):
    """Ranks pages."""

    def setup(self, device: str) -> None:
        """Load the model, in the worker's process."""
        del device
        self._pipeline = load()

    def decode_request(self, request: dict) -> list:
        """Take the candidates."""
        return request["candidates"]

    def predict(self, rows: list) -> dict:
        """Rank them."""
        return {"ranking": ranked(rows, score(self._pipeline, rows))}

    def encode_response(self, output: dict) -> dict:
        """Send the ranking as it is."""
        return output


if __name__ == "__main__":
    api = Ranker(api_path="/v1/decide")
    server = litserve.LitServer(api, accelerator="cpu", devices=1, workers_per_device=1)
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, generate_client_file=False
    )
