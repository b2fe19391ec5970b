"""The documents: plain values with their lines, and nothing that a hostile file can do."""

from pathlib import Path

import pytest

from mlops.base.errors import ConfigError
from mlops.base.yaml_bounds import MAX_BYTES
from mlops.slo.document import parse_documents, read_documents


def test_values_are_plain_and_every_key_knows_its_line() -> None:
    (first, second) = parse_documents(
        b"a: 1\nb:\n  - x: 2020-01-21 12:30:00\n  - y: null\n---\n# nothing\n---\nc: true\n", "f"
    )
    assert first.value == {"a": 1, "b": [{"x": "2020-01-21 12:30:00"}, {"y": None}]}
    assert second.value == {"c": True}
    place = first.place(["b", 1, "y"])
    assert (place.origin, place.line, place.key) == ("f", 4, "b.1.y")
    assert second.place(["c"]).line == 8


def test_a_missing_key_is_placed_at_what_should_hold_it() -> None:
    (document,) = parse_documents(b"\na:\n  b: 1\n", "f")
    place = document.place(["a", "c"])
    assert (place.line, place.key) == (2, "a.c")


LAUGHS = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
)
REFUSED: dict[str, tuple[str | bytes, str, int | None]] = {
    "a tag that builds a Python object": ("a: !!python/object/apply:os.system [ls]", "tag", 1),
    "a tag of a set": ("a: !!set {x: null}", "tag", 1),
    "a key given twice": ("a: 1\nb: 2\na: 3", "`a` is given twice", 3),
    "a key that is no text": ("1: x", "key must be a text", 1),
    "a merge key": ("x: &x {a: 1}\ny:\n  <<: *x", "key must be a text", 3),
    "a list as a document": ("- a", "must be a mapping", 1),
    "a text as a document": ("abc", "must be a mapping", 1),
    "brackets that never close": ("a: [1, 2", "expected", 1),
    "a tab as indentation": ("a:\n\tb: 1", "found character", 2),
    "an anchor that is not there": ("a: *nothing", "undefined alias", 1),
    "an anchor that holds itself": ("a: &a [*a]", "deeper", 1),
    "nesting without end": ("a: " + "[" * 5_000, "nested deeper than 32", 1),
    "aliases of aliases of aliases": (LAUGHS, "more than 50000 values", 5),
    "aliases without end": ("x: &x 1\ny: [" + "*x," * 200 + "]", "more than 100 aliases", 2),
    "a number that is none": ("a: !!int abc", "not what its tag says", 1),
    "bytes that are no UTF-8": (b"a: \xff", "utf-8", None),
    "a control character": ("a: \x00", "not readable", None),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_refused(sentence: str) -> None:
    text, message, line = REFUSED[sentence]
    content = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(ConfigError) as caught:
        parse_documents(content, "slo/x.yaml")
    assert message in caught.value.message
    assert caught.value.place is not None
    assert caught.value.place.origin == "slo/x.yaml"
    assert caught.value.place.line == line


def test_a_file_that_is_too_large_or_missing_is_a_config_error(tmp_path: Path) -> None:
    large = tmp_path / "large.yaml"
    large.write_bytes(b"a: " + b"x" * MAX_BYTES)
    with pytest.raises(ConfigError, match="larger than"):
        read_documents(large)
    with pytest.raises(ConfigError, match="cannot read"):
        read_documents(tmp_path / "nowhere.yaml")
    with pytest.raises(ConfigError, match="cannot read"):
        read_documents(tmp_path)
