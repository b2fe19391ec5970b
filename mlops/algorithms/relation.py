"""A relation: what must hold between two runs of an algorithm, whatever the right answer is.

It needs no oracle and no expertise: the same rows in another order, a row twice instead of a
weight of two, one row asked alone instead of in a page. What an algorithm promises is said by its
properties, and each property has its relation.

Source: Chen, Cheung and Yiu, "Metamorphic testing" (HKUST-CS98-01, 1998); Xie et al., "Testing and
validating machine learning classifiers by metamorphic testing" (JSS 84(4), 2011).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar


class Property(StrEnum):
    """What an algorithm promises."""

    DETERMINISTIC = "deterministic"
    BATCH = "batch"
    UNTOUCHED = "untouched"
    REFIT = "refit"
    FINITE = "finite"
    OVERFIT = "overfit"
    CLASS_NAMES = "class_names"
    LABEL_SYMMETRY = "label_symmetry"
    TARGET_SHIFT = "target_shift"
    ROW_ORDER = "row_order"
    WEIGHTS = "weights"
    COLUMN_ORDER = "column_order"
    FEATURE_SHIFT = "feature_shift"
    MONOTONE_TRANSFORM = "monotone_transform"
    CANDIDATE_ORDER = "candidate_order"
    PADDING = "padding"
    FUTURE = "future"
    RESTORED = "restored"
    EMPTY_PAST = "empty_past"


CLAIMS: dict[Property, str] = {
    Property.DETERMINISTIC: "the same rows and seed give the same answers, bit for bit",
    Property.BATCH: "a row's answer does not depend on what is asked with it",
    Property.UNTOUCHED: "fitting and asking leave the caller's arrays as they were",
    Property.REFIT: "fitting again forgets what was learnt before",
    Property.FINITE: "answers are finite, probabilities between 0 and 1, however far the row lies",
    Property.OVERFIT: "what is plain to see in a small sample is learnt",
    Property.CLASS_NAMES: "classes named 0 and 1 or no and yes are learnt alike",
    Property.LABEL_SYMMETRY: "with the classes exchanged, p becomes 1 - p",
    Property.TARGET_SHIFT: "with all targets raised by a constant, answers rise by it",
    Property.ROW_ORDER: "the order of the training rows does not matter",
    Property.WEIGHTS: "a row twice counts as a weight of two, a weight of nought as no row",
    Property.COLUMN_ORDER: "the order of the features does not matter",
    Property.FEATURE_SHIFT: "moving the origin of a feature changes nothing",
    Property.MONOTONE_TRANSFORM: "a rising map of a feature changes nothing",
    Property.CANDIDATE_ORDER: "candidates in another order have the same scores",
    Property.PADDING: "further candidates do not change a candidate's score",
    Property.FUTURE: "what happened after the moment of training changes nothing",
    Property.RESTORED: "what is stored and read back scores the same, bit for bit",
    Property.EMPTY_PAST: "without any past it still answers with finite scores",
}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Relation(Generic[T]):
    """One property as something that can be tried on an example.

    Attributes:
        property: What is promised.
        broken: Returns None if an example keeps it, else one sentence with the figures.
    """

    property: Property
    broken: Callable[[T], str | None]
