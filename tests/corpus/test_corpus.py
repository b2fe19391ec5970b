"""The corpus: every fault is found where it stems from, and a right configuration is left alone."""

from collections import Counter

from tests.corpus.case import cases, faults

KINDS = {"config": 30, "flow": 20, "cost": 10}


def test_the_corpus_is_whole() -> None:
    assert Counter(case.kind for case in faults()) == KINDS
    assert len(cases("right")) == 20
    names = [case.name for case in (*faults(), *cases("more"), *cases("right"))]
    assert len(set(names)) == len(names)
    assert all(case.says for case in faults())
