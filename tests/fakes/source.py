"""A fake source: gives a frame that a test has laid ready."""

import pandas as pd


class FakeSource:
    """Stands in for `mlops.data.sources.Source`.

    Args:
        frame: The rows.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame
        self.reads = 0

    def read(self) -> pd.DataFrame:
        self.reads += 1
        return self._frame.copy()
