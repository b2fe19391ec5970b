"""`mlops COMMAND --help`: a command's own words, options and exit codes stand before the groups."""

from pathlib import Path

import pytest

from mlops.cli.main import main

OWN = {
    "bundle": ("keygen DIR", "key=FILE", "--dry-run"),
    "certify": ("--write", "--dry-run", "--format text|json", "bundle=REFERENCE"),
    "check": ("--schema", "--calibrate", "--format text|json|sarif"),
    "contract": ("show [request|training|output]", "diff OLD NEW", "--as text", "--output"),
    "data": ("fetch open_bandit", "show", "--format text|json"),
    "evaluate": ("bundle=REFERENCE", "--format text|json"),
    "gate": ("bundle=REFERENCE", "release.reports.KIND=FILE", "--format text|json"),
    "slo": ("generate [FILE...]", "--kubernetes", "--allow-unknown", "--at TIME"),
    "train": ("release.signing_key=FILE", "-m KEY=A,B", "--format text|json"),
}


@pytest.mark.parametrize("command", OWN)
def test_help_begins_with_the_commands_own_options_and_exit_codes(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([command, "--help"]) == 0
    head, found, _ = capsys.readouterr().out.partition("== Configuration groups ==")
    assert found
    assert [words for words in OWN[command] if words not in head] == []
    assert "Exit code 0:" in head
