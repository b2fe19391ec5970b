"""The words of `mlops slo`: each takes its own switches and refuses the others'."""

from pathlib import Path

import pytest

from mlops.cli.main import main

WRONG = {
    "no word": ([], "needs a word"),
    "a word that there is not": (["statuses"], "validate | generate"),
    "a switch of another word": (["status", "--check"], "slo status takes no --check"),
    "an option of another word": (["generate", "--service", "shop"], "takes no --service"),
    "an option without a value": (["gate", "--service"], "--service needs a value"),
    "a format of another word": (["status", "--format=html"], "is no format here"),
    "an import of nothing": (["import"], "import needs files"),
}


@pytest.mark.parametrize("sentence", WRONG)
def test_refused_with_exit_code_2(
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words, told = WRONG[sentence]
    monkeypatch.chdir(tmp_path)
    assert main(["slo", *words]) == 2
    captured = capsys.readouterr()
    assert told in " ".join(captured.err.split())
    assert captured.out == ""
    assert list(tmp_path.iterdir()) == []
