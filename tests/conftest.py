"""What all tests share: the comparison with committed files, and the flag that rewrites them."""

from collections.abc import Callable
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--regenerate-golden",
        action="store_true",
        help="rewrite the files in tests/golden from what the code now generates",
    )
    parser.addoption(
        "--soak-minutes", type=float, default=5.0, help="how long the soak test runs (5)"
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Return a comparison of a generated text with the committed file of that name."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--regenerate-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.is_file(), f"{path} is missing: run pytest --regenerate-golden"
        assert text == path.read_text(), f"{path} is stale: run pytest --regenerate-golden"

    return compare
