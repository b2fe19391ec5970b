"""Lowering: a fitted scikit-learn pipeline compiled to a program.

What cannot be compiled is refused by name; what is compiled is proved equal by
`mlops.models.parity` before it is used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.ensemble._forest import BaseForest
from sklearn.frozen import FrozenEstimator  # type: ignore[import-untyped] # the stubs are older
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import BaseDecisionTree

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
    SigmoidLink,
)
from mlops.models.forms import Form, Inputs
from mlops.models.lowering_columns import lower_transformer
from mlops.models.lowering_forests import lower_forest, lower_stages
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
    try:
        return _compiled(predictors, domain, score)
    except ValidationError as error:
        raise ConfigError(f"the model cannot be compiled: {error.errors()[0]['msg']}") from error


def _compiled(
    predictors: Mapping[str, SklearnPredictor], domain: Domain, score: ScoreSpec
) -> Program:
    vocabularies = [predictor.vocabulary for predictor in predictors.values()]
    if any(vocabulary != vocabularies[0] for vocabulary in vocabularies):
        # A head fitted on fewer rows may know fewer texts: its code space is the union.
        vocabularies[0] = {
            name: tuple(sorted({text for v in vocabularies for text in v[name]}))
            for name in vocabularies[0]
        }
    compiler = _Compiler(Inputs(domain.features, vocabularies[0]))
    features = compiler.inputs.features()
    heads = []
    for name, predictor in predictors.items():
        members = compiler.members(predictor.estimator, features, sparse=False)
        heads.append(Head(name=name, members=tuple(members)))
    outline = Outline(inputs=tuple(compiler.inputs.found), heads=tuple(heads), score=score)
    return Program(outline, compiler.table.finish())


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

    def members(self, estimator: Any, forms: Sequence[Form], *, sparse: bool) -> list[Member]:
        """Return the members whose mean output is the estimator's.

        Args:
            estimator: Fitted.
            forms: What enters it.
            sparse: Whether that is a sparse matrix.
        """
        if isinstance(estimator, FrozenEstimator):
            return self.members(estimator.estimator, forms, sparse=sparse)
        if isinstance(estimator, Pipeline):
            for _, step in estimator.steps[:-1]:
                forms = lower_transformer(step or "passthrough", forms, self.inputs)
                sparse = sparse or _gives_sparse(step)
            return self.members(estimator.steps[-1][1], forms, sparse=sparse)
        if isinstance(estimator, CalibratedClassifierCV):
            parts: Any = estimator.calibrated_classifiers_
            return [self._calibrated(part, forms, sparse=sparse) for part in parts]
        _refuse_classes(estimator)
        return [self._member(estimator, forms, sparse=sparse)]

    def _calibrated(self, part: Any, forms: Sequence[Form], *, sparse: bool) -> Member:
        (inner,) = self.members(part.estimator, forms, sparse=sparse)
        return Member(raw=inner.raw, link=_calibrator(part))

    def _member(self, estimator: Any, forms: Sequence[Form], *, sparse: bool) -> Member:
        rising: Link = LogitLink() if hasattr(estimator, "classes_") else IdentityLink()
        match estimator:
            case HistGradientBoostingClassifier() | HistGradientBoostingRegressor():
                raw = lower_boosting(estimator, forms, self.inputs, table=self.table)
                return Member(raw=raw, link=rising)
            case GradientBoostingClassifier() | GradientBoostingRegressor():
                raw = lower_stages(estimator, forms, self.inputs, table=self.table, sparse=sparse)
                return Member(raw=raw, link=rising)
            case BaseForest() | BaseDecisionTree():
                raw = lower_forest(estimator, forms, self.inputs, table=self.table, sparse=sparse)
                return Member(raw=raw, link=IdentityLink())
        return Member(raw=lower_linear(estimator, forms, self.inputs), link=rising)


def _gives_sparse(transformer: Any) -> bool:
    """Tell whether a fitted transformer may give a sparse matrix."""
    if isinstance(transformer, OneHotEncoder):
        return bool(getattr(transformer, "sparse_output", True))
    return bool(getattr(transformer, "sparse_output_", False))


def _refuse_classes(estimator: Any) -> None:
    classes = getattr(estimator, "classes_", None)
    if classes is not None and len(classes) != 2:
        raise ConfigError(
            f"{type(estimator).__name__} met {len(classes)} classes, and only two can be compiled",
            hint="the outcome must be 0 in some rows and 1 in others, in every fold",
        )


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
    message = f"no link for method {part.method!r}, which the table of what can be compiled lists"
    raise AssertionError(message)
