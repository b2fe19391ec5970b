"""The bare servers' answer: a constant from a file, of the size of our own answer."""

import os
from pathlib import Path

FOLDER = "PEER_FOLDER"
"""Environment variable that names the folder with the model and the constant."""


def constant() -> bytes:
    """Return the constant."""
    return (Path(os.environ[FOLDER]) / "answer").read_bytes()
