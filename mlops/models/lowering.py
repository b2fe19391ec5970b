"""Lowering: a fitted scikit-learn pipeline compiled to a program.

What cannot be compiled is refused by name; what is compiled is proved equal by
`mlops.models.parity` before it is used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.frozen import FrozenEstimator  # type: ignore[import-untyped] # the stubs are older
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from mlops.base.errors import ConfigError
from mlops.contracts.domain import Domain
from mlops.models.compilable import refusal
from mlops.models.flat import (
    Head,
    IdentityLink,
    IsotonicLink,
    Link,
    LogitLink,
    Member,
    Outline,
    Raw,
    SigmoidLink,
)
from mlops.models.forms import Form, Inputs
from mlops.models.lowering_columns import lower_transformer
from mlops.models.lowering_linear import lower_linear
from mlops.models.lowering_trees import Table, lower_boosting
from mlops.models.predictor import SklearnPredictor
from mlops.models.program import Program
from mlops.models.spec import ExpectedValueScore, ScoreSpec


def lower(predictors: Mapping[str, SklearnPredictor], domain: Domain, score: ScoreSpec) -> Program:
    """Compile a service's fitted predictors to one program.

    Args:
        predictors: One for each head, in order, fitted on the same rows.
        domain: The contract that they were fitted on.
        score: How the heads' outputs become the score.

    Raises:
        ConfigError: An estimator, transformer or argument cannot be compiled; the score asks for
            a head that is not there, or a value column that is no number or may be missing.
    """
    _check_score(score, domain)
    for predictor in predictors.values():
        refused = refusal(predictor.estimator)
        if refused is not None:
            raise ConfigError(refused.reason, hint=refused.hint, key=refused.key)
    vocabularies = [predictor.vocabulary for predictor in predictors.values()]
    if any(vocabulary != vocabularies[0] for vocabulary in vocabularies):
        # A head fitted on fewer rows may know fewer texts: its code space is the union.
        vocabularies[0] = {
            name: tuple(sorted({text for v in vocabularies for text in v[name]}))
            for name in vocabularies[0]
        }
    compiler = _Compiler(Inputs(domain.features, vocabularies[0]))
    features = compiler.inputs.features()
    heads = tuple(
        Head(name=name, members=tuple(compiler.members(predictor.estimator, features)))
        for name, predictor in predictors.items()
    )
    try:
        outline = Outline(inputs=tuple(compiler.inputs.found), heads=heads, score=score)
        return Program(outline, compiler.table.finish())
    except ValidationError as error:
        raise ConfigError(f"the model cannot be compiled: {error.errors()[0]['msg']}") from error


def _check_score(score: ScoreSpec, domain: Domain) -> None:
    if not isinstance(score, ExpectedValueScore):
        return
    known = {column.name: column for column in domain.request}
    column = known.get(score.value)
    if column is None or column.is_category or column.nullable:
        raise ConfigError(
            f"the score's value column {score.value!r} must be a number of the request that is "
            "never missing",
            hint=f"the request has: {', '.join(known)}",
        )


@dataclass(frozen=True, slots=True)
class _Compiler:
    """What all heads share while they are compiled.

    Attributes:
        inputs: The matrix columns.
        table: The trees.
    """

    inputs: Inputs
    table: Table = field(default_factory=Table)

    def members(self, estimator: Any, forms: Sequence[Form]) -> list[Member]:
        """Return the members whose mean output is the estimator's."""
        if isinstance(estimator, FrozenEstimator):
            return self.members(estimator.estimator, forms)
        if isinstance(estimator, Pipeline):
            for _, step in estimator.steps[:-1]:
                forms = lower_transformer(step or "passthrough", forms, self.inputs)
            return self.members(estimator.steps[-1][1], forms)
        if isinstance(estimator, CalibratedClassifierCV):
            return [self._calibrated(part, forms) for part in estimator.calibrated_classifiers_]
        return [Member(raw=self._raw(estimator, forms), link=_link(estimator))]

    def _calibrated(self, part: Any, forms: Sequence[Form]) -> Member:
        inner = self.members(part.estimator, forms)
        if len(inner) != 1 or inner[0].link.kind != "logit":
            raise ConfigError("a calibrated classifier inside another cannot be compiled")
        return Member(raw=inner[0].raw, link=_calibrator(part))

    def _raw(self, estimator: Any, forms: Sequence[Form]) -> Raw:
        match estimator:
            case HistGradientBoostingClassifier():
                return lower_boosting(estimator, forms, self.inputs, table=self.table)
            case HistGradientBoostingRegressor():
                return lower_boosting(estimator, forms, self.inputs, table=self.table)
            case LogisticRegression():
                return lower_linear(estimator, forms, self.inputs)
        name = type(estimator).__name__
        raise ConfigError(f"{name} cannot be compiled", hint=f"supported: {SUPPORTED}")


def _link(estimator: Any) -> Link:
    if hasattr(estimator, "classes_"):
        if len(estimator.classes_) != 2:
            raise ConfigError("a classifier of more or less than two classes cannot be compiled")
        return LogitLink()
    name = type(estimator._loss.link).__name__
    if name != "IdentityLink":
        raise ConfigError(
            f"HistGradientBoostingRegressor with loss {estimator.loss!r} cannot be compiled",
            hint="use squared_error, absolute_error or quantile",
        )
    return IdentityLink()


def _calibrator(part: Any) -> Link:
    calibrator = part.calibrators[0]
    match part.method:
        case "sigmoid":
            return SigmoidLink(slope=float(calibrator.a_), offset=float(calibrator.b_))
        case "isotonic":
            return IsotonicLink(
                x=tuple(calibrator.X_thresholds_.tolist()),
                y=tuple(calibrator.y_thresholds_.tolist()),
            )
    raise ConfigError(
        f"CalibratedClassifierCV with method {part.method!r} cannot be compiled",
        hint="use sigmoid or isotonic",
    )
