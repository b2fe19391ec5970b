"""Tags are read from parts that are not fitted; what is no estimator is refused."""

import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.preprocessing import StandardScaler

from mlops.base.errors import ConfigError
from mlops.models.tags import tags_of


def test_parts_say_what_they_accept() -> None:
    boosting = tags_of(HistGradientBoostingClassifier())
    assert (boosting.kind, boosting.missing, boosting.sparse) == ("classifier", True, False)
    assert tags_of(MultinomialNB()).positive
    assert tags_of(StandardScaler(with_mean=False)).sparse
    assert not tags_of(StandardScaler()).sparse
    assert tags_of(StandardScaler()).kind == ""
    assert tags_of(CalibratedClassifierCV(MultinomialNB())).kind == "classifier"


def test_what_is_no_estimator_is_refused() -> None:
    with pytest.raises(ConfigError, match="str"):
        tags_of("passthrough")
