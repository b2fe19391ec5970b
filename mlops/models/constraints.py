"""A constraint: what scikit-learn itself declares that a parameter accepts.

Every estimator carries `_parameter_constraints`, which `fit` holds its parameters against. They are
complete, unlike published stubs, and private. This file is the only one that reads them; what it
relies on is held by `tests/unit/models/test_constraints.py`.
"""

import importlib
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, TypeAlias

# One parameter's constraints, as scikit-learn writes them down.
Declared: TypeAlias = Sequence[Any]

ANYTHING = "Any"
_PLAIN: Mapping[object, str] = {
    "boolean": "bool",
    "verbose": "int",
    "random_state": "int | None",
    "array-like": "list[Any] | tuple[Any, ...] | dict[Any, Any]",
    "cv_object": "int | list[Any] | dict[Any, Any] | HasSplitAndGetNSplits | None",
    "nan": "float",
    "sparse matrix": "",  # nothing that YAML can say
    None: "None",
    callable: "Callable[..., Any]",
    str: "str",
    bool: "bool",
    int: "int",
    float: "float",
    list: "list[Any]",
    tuple: "tuple[Any, ...] | list[Any]",  # YAML has no tuples: the builder turns lists into them
    dict: "dict[Any, Any]",
    Integral: "int",
    Real: "float",
}


def declared(found: type[Any]) -> Mapping[str, Declared]:
    """Return what a class declares, by parameter; those it does not validate are left out."""
    constraints = getattr(found, "_parameter_constraints", {})
    return {name: value for name, value in constraints.items() if value != "no_validation"}


def violation(found: type[Any], name: str, value: object) -> str | None:
    """Hold one argument against what its parameter accepts.

    Args:
        found: The class.
        name: The parameter.
        value: The argument, nested estimators already built.

    Returns:
        What is wrong, as one sentence for a person, or None.
    """
    try:
        _private().validate_parameter_constraints(
            declared(found), {name: value}, caller_name=found.__name__
        )
    except (ValueError, TypeError) as error:  # a class of the user's own may declare nonsense
        return str(error)
    return None


def takes_tuple(found: type[Any], name: str) -> bool:
    """Tell whether a parameter insists on a tuple, for which YAML has only lists."""
    return tuple in declared(found).get(name, ())


def annotation(found: type[Any], name: str) -> str:
    """Return the type of a parameter as the text of a Python annotation.

    Its names are those of `typing`, `Callable`, and the protocols that `methods` lists.

    Args:
        found: The class.
        name: The parameter.
    """
    if name not in declared(found):
        return ANYTHING
    parts = [_type(each) for each in declared(found)[name]]
    return ANYTHING if ANYTHING in parts else " | ".join(dict.fromkeys(filter(None, parts)))


def methods(found: type[Any]) -> set[tuple[str, ...]]:
    """Return the groups of methods that some parameter of a class asks an object for."""
    return {
        tuple(constraint.methods)
        for constraints in declared(found).values()
        for constraint in map(_shown, constraints)
        if hasattr(constraint, "methods")
    }


def protocol(names: Iterable[str]) -> str:
    """Return the name of the protocol of objects that have some methods.

    >>> protocol(["fit", "predict_proba"])
    'HasFitAndPredictProba'
    """
    return "Has" + "And".join(name.title().replace("_", "") for name in names)


def _shown(constraint: object) -> Any:
    """Return a constraint that is only hidden from messages, such as a deprecated value's."""
    return getattr(constraint, "constraint", constraint)


def _private() -> Any:
    # Published stubs, where they are installed, tell of an older version of it.
    return importlib.import_module("sklearn.utils._param_validation")


def _type(constraint: object) -> str:
    private = _private()
    match _shown(constraint):
        case private.Interval(type=kind):
            return "int" if kind is Integral else "float"
        case private.Options(options=options):
            return _literal(options)
        case private.HasMethods(methods=names):
            return protocol(names)
        case private.MissingValues(numeric_only=numeric):
            return "float" if numeric else "float | str | None"
        case plain if isinstance(plain, str | type) or plain is None or plain is callable:
            return _PLAIN.get(plain, ANYTHING)
        case _:
            return ANYTHING


def _literal(options: Iterable[Any]) -> str:
    """Return the type of one of some values; a float has no literal type."""
    if not all(isinstance(option, str | bool | int | None) for option in options):
        return "float" if all(isinstance(option, int | float) for option in options) else ANYTHING
    return f"Literal[{', '.join(sorted(map(repr, options)))}]"
