"""The writer of YAML: what is written is read back, and people can read it."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mlops.slo.output import Expression, Yaml, yaml_text

_TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.text("ab \n\t'\"#:{}[]-?!%@`|>&*,\\=<", max_size=40),
    st.lists(st.sampled_from(["a", "b: c", "#", "{{ $value }}", "- x"]), max_size=60).map(" ".join),
    st.sampled_from(["yes", "No", "null", "~", "1", "1e3", "0x1", "1_0", "1:30", "5m", "2026-11-24",
                     "=", "<<", ".inf", "", "y", "a:", "slo:x", "---", "..."]),
)  # fmt: skip
_LEAVES = st.one_of(_TEXTS, _TEXTS.map(Expression), st.integers(), st.booleans())
_TREES = st.recursive(
    _LEAVES,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(_TEXTS, below, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(_TEXTS, _TREES, max_size=4) | st.lists(_TREES, max_size=4))
def test_what_is_written_is_read_back(tree: Yaml) -> None:
    text = yaml_text(tree)
    assert yaml.safe_load(text) == tree


WRITTEN: dict[str, tuple[Yaml, str]] = {
    "names and durations are plain": ({"alert": "SloX", "for": "5m"}, "alert: SloX\nfor: 5m\n"),
    "what YAML takes for a truth is quoted": ({"a": "on"}, 'a: "on"\n'),
    "a text with double quotes stands in single ones": (['it\'s "a"'], "- 'it''s \"a\"'\n"),
    "a short expression stands as it is": (
        {"expr": Expression('sum(x{a="b"}) > 1')},
        'expr: sum(x{a="b"}) > 1\n',
    ),
    "an expression of several lines is a block": (
        {"expr": Expression("a\nand\nb")},
        "expr: |-\n  a\n  and\n  b\n",
    ),
    "prose is folded at its spaces": (
        {"text": f"{'long ' * 25}end"},
        f"text: >-\n  {'long ' * 18}long\n  {'long ' * 6}end\n",
    ),
    "lists and mappings nest below their keys": (
        {"groups": [{"name": "a", "rules": [{"record": "b", "labels": {}}]}], "none": []},
        "groups:\n  - name: a\n    rules:\n      - record: b\n        labels: {}\nnone: []\n",
    ),
}


@pytest.mark.parametrize("sentence", WRITTEN)
def test_layout(sentence: str) -> None:
    tree, text = WRITTEN[sentence]
    assert yaml_text(tree) == text
    assert yaml.safe_load(text) == tree
