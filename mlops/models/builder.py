"""A builder: turns nodes that name classes into objects, and says all that is wrong with them."""

import difflib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic import ValidationError

from mlops.base.errors import ConfigError
from mlops.base.section import Target
from mlops.base.target import load_class
from mlops.base.verdict import Finding, Status
from mlops.models.constraints import takes_tuple, violation

Key: TypeAlias = tuple[str, ...]

HYDRA_WORDS = {
    "_partial_": "it would keep the object from being built",
    "_args_": "arguments are given by name",
    "_recursive_": "nested `_target_` nodes are always built",
    "_convert_": "arguments are always plain values",
}


@dataclass(slots=True)
class Builder:
    """Builds estimators from a config's nodes. What cannot be built is None, with a problem noted.

    Attributes:
        seed: Becomes the `random_state` of every part that has one and is not given one.
        packages: Where classes may come from.
        problems: What was wrong so far, each with its key from the model's spec downwards.
    """

    seed: int
    packages: Sequence[str]
    problems: list[Finding] = field(default_factory=list)

    def build(self, target: Target, key: Key) -> Any:
        """Build one object with what is nested in its arguments.

        Args:
            target: What to build.
            key: Where it stands in the model's spec.

        Returns:
            The object, or None if it or something in it has a problem.
        """
        before = len(self.problems)
        found = self._load(target, key)
        given = {name: value for name, value in target.arguments.items() if name not in HYDRA_WORDS}
        self.problems += hydra_words(target, key)
        if found is None:
            for name, value in given.items():
                self._value(value, (*key, name))
            return None
        arguments = self._arguments(found, given, target.path, key)
        if len(self.problems) > before:
            return None
        try:
            return found(**arguments)
        except Exception as error:  # a class of the user's own may raise anything
            told = isinstance(error, TypeError)
            cause = str(error) if told else f"{type(error).__name__}: {error}"
            message = f"`_target_: {target.path}` cannot be built: {cause}"
            self._wrong("check.target.unbuilt", message, key)
            return None

    def wrong_kind(self, target: Target, key: Key, what: str, hint: str) -> None:
        """Note that an object is not of the kind that its place asks for."""
        message = f"`_target_: {target.path}` {what}"
        self._wrong("check.target.kind", message, (*key, "_target_"), hint)

    def refuse(self) -> None:
        """Raise the problems, if there are any.

        Raises:
            ConfigError: It is the only one, or carries all of them.
        """
        errors = [ConfigError(each.message, hint=each.hint, key=each.key) for each in self.problems]
        if len(errors) > 1:
            raise ConfigError(
                f"the model has {len(errors)} problems", key=errors[0].key, problems=tuple(errors)
            )
        if errors:
            raise errors[0]

    def _load(self, target: Target, key: Key) -> type[Any] | None:
        from sklearn.base import BaseEstimator

        try:
            found: type[Any] = load_class(target.path, BaseEstimator, packages=self.packages)
        except ConfigError as error:
            self._wrong("check.target.class", error.message, (*key, "_target_"), error.hint)
            return None
        return found

    def _arguments(
        self, found: type[Any], given: Mapping[str, object], path: str, key: Key
    ) -> dict[str, Any]:
        """Return the arguments that a class is built with; what is wrong with them is noted."""
        parameters = inspect.signature(found).parameters
        open_ended = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
        arguments: dict[str, Any] = {}
        for name, value in given.items():
            place = (*key, name)
            if name not in parameters and not open_ended:
                message = f"`_target_: {path}` has no argument {name!r}"
                hint = suggest(name, list(parameters))
                self._wrong("check.arguments.unknown", message, place, hint)
                continue
            arguments[name] = self._argument(found, name, value, place)
        for name, parameter in parameters.items():
            needed = parameter.default is parameter.empty and name not in given
            if needed and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                message = f"`_target_: {path}` needs an argument {name!r}"
                self._wrong("check.arguments.missing", message, key, f"add `{name}`")
        if "random_state" in parameters:
            self._seed(arguments, parameters["random_state"].default)
        return arguments

    def _seed(self, arguments: dict[str, Any], default: object) -> None:
        """Make a part's randomness come from the seed alone."""
        if default != "deprecated":
            arguments.setdefault("random_state", self.seed)
            return
        # TargetEncoder shuffles its folds by numpy's global state unless it is given them.
        folds = arguments.get("cv", 5)
        if isinstance(folds, int) and not isinstance(folds, bool) and folds > 1:
            from sklearn.model_selection import KFold

            arguments["cv"] = KFold(folds, shuffle=True, random_state=self.seed)

    def _argument(self, found: type[Any], name: str, value: object, key: Key) -> Any:
        if name == "memory" and value is not None:
            message = f"`{found.__name__}` may not have a `memory`: it reads pickles from disk"
            self._wrong("check.target.memory", message, key, "leave it out")
            return None
        before = len(self.problems)
        built = self._value(value, key)
        if len(self.problems) > before:
            return None
        if name == "class_weight" and isinstance(built, dict):
            # Classes are numbers here, and JSON, through which configuration goes, has text keys.
            built = {
                int(each) if each.lstrip("-").isdigit() else each: w for each, w in built.items()
            }
        # YAML has no tuples, and scikit-learn insists on one for a `feature_range`.
        if isinstance(built, list) and takes_tuple(found, name):
            built = tuple(built)
        wrong = violation(found, name, built)
        if wrong is not None:
            nested = isinstance(value, dict) and "_target_" in value
            self._wrong("check.constraints", wrong, (*key, "_target_") if nested else key)
        return built

    def _value(self, value: object, key: Key) -> Any:
        """Return an argument with the targets nested in it built."""
        if isinstance(value, dict):
            if "_target_" in value:
                return self._nested(value, key)
            return {name: self._value(below, (*key, str(name))) for name, below in value.items()}
        if isinstance(value, list):
            return [self._value(item, (*key, str(at))) for at, item in enumerate(value)]
        return value

    def _nested(self, node: dict[str, object], key: Key) -> Any:
        try:
            target = Target.model_validate(node)
        except ValidationError:
            message = "`_target_` must be a text, `package.module.Class`"
            self._wrong("check.target.class", message, (*key, "_target_"))
            return None
        return self.build(target, key)

    def _wrong(self, check: str, message: str, key: Key, hint: str = "") -> None:
        self.problems.append(Finding(check, Status.FAIL, message, key=key, hint=hint))


def hydra_words(target: Target, key: Key) -> list[Finding]:
    """Return what is wrong with arguments that are words of Hydra's own `instantiate`."""
    return [
        Finding(
            "check.target.keyword",
            Status.FAIL,
            f"`{name}` is a word of Hydra's `instantiate`, which is not used: {HYDRA_WORDS[name]}",
            key=(*key, name),
            hint="leave it out",
        )
        for name in target.arguments
        if name in HYDRA_WORDS
    ]


def suggest(name: str, known: Sequence[str]) -> str:
    """Return a hint that names the most similar known name, or all of them."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
