"""A rule tester that runs nothing and says what it was told to say."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class FakeRuleTester:
    """Says of a test whose text holds a word what failed.

    Attributes:
        failing: What failed, by word.
        seen: The files of each run.
    """

    failing: Mapping[str, str] = field(default_factory=dict)
    seen: list[Mapping[str, str]] = field(default_factory=list)

    def test(self, files: Mapping[str, str], tests: str) -> str:
        """Return what was given for the first word that is in the test file."""
        self.seen.append(files)
        return next((said for word, said in self.failing.items() if word in files[tests]), "")
