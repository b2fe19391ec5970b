"""YAML bounds: what is too large, too deep or stands for too much is refused in milliseconds."""

import pytest

from mlops.base.errors import ConfigError
from mlops.base.yaml_bounds import MAX_BYTES, bound_yaml

LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n"
    for before, name in zip("abcdefg", "bcdefgh", strict=True)
)

REFUSED = {
    "a billion laughs": (LAUGHS, "more than 50000 values", 5),
    "laughs of merged mappings": (
        "a: &a {x: 1, y: 2}\n"
        + "".join(
            f"{name}: &{name} {{{', '.join(f'k{i}: *{before}' for i in range(10))}}}\n"
            for before, name in zip("abcdefg", "bcdefgh", strict=True)
        ),
        "more than 50000 values",
        5,
    ),
    "nesting without end": ("x: 1\na: " + "[" * 100_000, "nested deeper than 32", 2),
    "an anchor that holds itself": ("a: &a [*a]", "an anchor that holds itself", 1),
    "aliases without end": ("x: &x 1\ny: [" + "*x," * 200 + "]", "more than 100 aliases", 2),
    "more values than anyone writes": ("a: [" + "1," * 60_000 + "]", "more than 50000 values", 1),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_refused_with_its_line(sentence: str) -> None:
    text, says, line = REFUSED[sentence]
    with pytest.raises(ConfigError) as caught:
        bound_yaml(text.encode(), "conf/x.yaml")
    assert says in caught.value.message
    assert caught.value.place is not None
    assert (caught.value.place.origin, caught.value.place.line) == ("conf/x.yaml", line)


def test_size_is_bounded() -> None:
    with pytest.raises(ConfigError, match="larger than"):
        bound_yaml(b"x" * (MAX_BYTES + 1), "conf/x.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: {b: [1, 2, {c: d}]}\n---\ne: f\n",
        "base: &base {a: 1}\nother: {<<: *base, b: 2}\n",
        "a: [unclosed",  # its reader tells
        "\x00",
        "a: *nowhere",
    ],
)
def test_everything_else_is_left_to_its_reader(text: str) -> None:
    bound_yaml(text.encode(), "conf/x.yaml")


def test_bytes_that_are_no_text_are_left_to_their_reader() -> None:
    bound_yaml(b"\xff\xfe\x00a", "conf/x.yaml")
