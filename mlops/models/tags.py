"""A tag: what a scikit-learn part says of itself that it accepts."""

from dataclasses import dataclass
from typing import Any

from mlops.base.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Tags:
    """What one part accepts and is.

    Attributes:
        kind: `classifier`, `regressor`, another of scikit-learn's kinds, or empty.
        missing: Whether it takes missing values.
        sparse: Whether it takes a sparse matrix.
        positive: Whether it takes no negative number.
        positive_target: Whether it takes no outcome below or at zero.
    """

    kind: str
    missing: bool
    sparse: bool
    positive: bool
    positive_target: bool


def tags_of(part: Any) -> Tags:
    """Read the tags of a part that need not be fitted.

    Raises:
        ConfigError: It has none: it is no scikit-learn estimator, or lacks one inside.
    """
    from sklearn.utils import get_tags  # type: ignore[attr-defined] # the stubs are older

    try:
        tags: Any = get_tags(part)
    except (AttributeError, TypeError, ValueError) as error:
        raise ConfigError(f"{type(part).__name__} does not say what it accepts") from error
    return Tags(
        kind=tags.estimator_type or "",
        missing=bool(tags.input_tags.allow_nan),
        sparse=bool(tags.input_tags.sparse),
        positive=bool(tags.input_tags.positive_only),
        positive_target=bool(tags.target_tags.positive_only),
    )
