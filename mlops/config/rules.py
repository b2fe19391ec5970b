"""A rule: a kind of finding that `mlops check` can make, with what it means for a person.

A finding bears the name of its rule, dotted; names are stable, since people silence and count by
them. A rule that has no text of its own has that of the nearest one above.
"""

from collections.abc import Mapping
from types import MappingProxyType

RULES: Mapping[str, str] = MappingProxyType(
    {
        "check": "Something that a check of the configuration found.",
        "check.config": "The configuration cannot be composed, or a key is unknown, missing or of"
        " the wrong type. `mlops check --schema` prints all keys; `--cfg job` what is composed.",
        "check.contracts": "A contract cannot be loaded, is no pandera model, or contradicts"
        " another one.",
        "check.target.class": "A `_target_` must name a class that can be imported, is of the kind"
        " that its place asks for, and lies in sklearn, mlops or one of `packages`.",
        "check.target.kind": "The class exists, and cannot do what its place asks for: an"
        " estimator predicts, a column step transforms.",
        "check.target.keyword": "Hydra composes configuration and builds nothing, so that the"
        " words of its `instantiate` mean nothing here.",
        "check.target.memory": "A pipeline's cache reads pickles from disk, and a pickle can run"
        " code.",
        "check.target.unbuilt": "The class raised an error when it was built with these arguments.",
        "check.arguments.unknown": "The class, or the heuristic's `fit`, has no argument of this"
        " name. After a change of class, arguments of the former one may have stayed.",
        "check.arguments.missing": "An argument without a default was not given.",
        "check.types": "An argument has another type than the signature, or scikit-learn's own"
        " constraints, say. mypy compares them; nothing is called.",
        "check.constraints": "scikit-learn declares which values a parameter accepts, and `fit`"
        " would refuse this one.",
        "check.columns.unknown": "A column step selects what is no feature of the request's"
        " contract.",
        "check.columns.name": "Column steps are told apart by their names.",
        "check.reference.column": "A column is named that the contract does not have.",
        "check.reference.kind": "The column exists and holds texts, where numbers are needed: a"
        " time, a gain.",
        "check.reference.time": "Rows are ordered in time, and this column is what is predicted.",
        "check.reference.category": "A column is compared with a text that its contract never"
        " allows.",
        "check.reference.given": "A head that counts only rows in which its own outcome happened"
        " has nothing to tell apart.",
        "check.reference.scope": "The column exists, and plays another part than is asked for;"
        " the contract's metadata tells which.",
        "check.reference.value": "What a probability is multiplied with must be a candidate's"
        " number that is never missing.",
        "check.reference.head": "A head is named that is not trained.",
        "check.reference.heuristic": "A heuristic is named that is not declared.",
        "check.reference.file": "A file is named that is not there.",
        "check.slo": "An SLO file is not OpenSLO v1, or asks for a series that nobody exports.",
        "check.claims": "`proofs.monotone` or `proofs.independent` claims what no model can be held"
        " to: of a column or an answer that is not there, or an order of texts.",
        "check.flow": "Columns are followed from the contract through each step to the estimator:"
        " names, types, missing values, unseen categories. No data are read.",
        "check.flow.unknown-column": "A column step selects what the contract does not have.",
        "check.flow.leak": "The contract declares the column as an outcome: it is known only after"
        " the decision, and a model that reads it is good in training and of no use.",
        "check.flow.missing": "The contract lets a column be missing, and a missing value can reach"
        " a step that fails on it.",
        "check.flow.unseen": "A request can bring a value that training did not have, and a step"
        " fails on it.",
        "check.flow.not-compilable": "Models are served in a compiled form, which this class has"
        " not, so that training would end after fitting.",
        "check.probe": "The pipeline was fitted and asked once on rows drawn from the contract,"
        " with warnings as errors. `verify.probe=false` switches it off.",
        "check.probe.heuristic": "A heuristic of your own was fitted and asked once on rows drawn"
        " from the contract. It may read what a request has, and its scores are finite.",
        "check.cost": "Time and memory are predicted from the configuration, the number of rows"
        " and a calibration of the host, and held against the budgets.",
        "check.consistency": "Sections agree with themselves and not with one another: deadlines"
        " and objectives, fallbacks, windows, shares.",
    }
)


def meaning(rule: str) -> str:
    """Return what a rule means.

    >>> meaning("check.slo.window") == RULES["check.slo"]
    True
    """
    name = rule
    while name not in RULES and name:
        name = name.rpartition(".")[0]
    return RULES.get(name, RULES["check"])
