"""`mlops test-estimator`: tries what an algorithm promises, on small drawn examples."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml
from rich.console import Console as RichConsole

from mlops.algorithms.relation import CLAIMS, Property
from mlops.base.digest import Json
from mlops.base.errors import ConfigError
from mlops.base.verdict import Status, Verdict, to_json, worst
from mlops.base.yaml_bounds import bound_yaml
from mlops.cli.arguments import Arguments, parse
from mlops.cli.console import Console, verdict_table
from mlops.config.compose import Composed, run_application
from mlops.config.resolve import contracts
from mlops.config.settings import allowed_packages
from mlops.models.heuristics import Heuristic, History, fit_heuristic

_HELP = """\
usage: mlops test-estimator TARGET [options] [--format text|json] [KEY=VALUE ...]

Tries what an algorithm promises on small drawn examples, and shows the smallest one that breaks a
promise. TARGET is an estimator's class, such as sklearn.linear_model.LogisticRegression or one of
your own, or the name of a heuristic in the service's training.heuristics.

options
  --argument NAME=VALUE  argument of the estimator's class; may be given more than once
  --property NAME        try this property; may be given more than once (without: all promised)
  --examples N           examples for each property (20)
  --tolerance X          largest difference that is none, of a probability or of the spread (0.02)
  --seed N               seed of the examples and of the estimator (0)
  --no-conventions       leave scikit-learn's own estimator checks out

An estimator says itself what it promises by an attribute `properties`, a list of names.

properties
{properties}

exit codes: 0 all kept, 1 something is not, 2 used wrongly
"""
_VALUED = ("--argument", "--property", "--examples", "--tolerance", "--seed")


@dataclass(slots=True)
class _Options:
    """What the command was told.

    Attributes:
        values: For each option with a value, what it was given.
        rest: Everything else.
    """

    values: dict[str, list[str]] = field(default_factory=dict)
    rest: list[str] = field(default_factory=list)

    def number(self, name: str, default: float) -> float:
        """Return an option's number."""
        given = self.values.get(name)
        if not given:
            return default
        try:
            number = float(given[-1])
        except ValueError:
            number = -1.0
        if number < 0:
            raise ConfigError(f"{name} must be a number that is not negative, not {given[-1]!r}")
        return number

    @property
    def properties(self) -> list[Property] | None:
        """The properties asked for; None if none was."""
        try:
            return [Property(name) for name in self.values.get("--property", [])] or None
        except ValueError as error:
            raise ConfigError(f"{error}", hint=f"one of: {', '.join(Property)}") from error

    @property
    def arguments(self) -> dict[str, object]:
        """Arguments of the class, values read as YAML."""
        found = {}
        for text in self.values.get("--argument", []):
            name, equals, value = text.partition("=")
            if not equals:
                raise ConfigError(f"--argument {text!r} has no value", hint="write NAME=VALUE")
            bound_yaml(value.encode(), f"--argument {name}")
            found[name] = yaml.safe_load(value)
        return found


def run(arguments: Sequence[str]) -> int:
    """Run the command; exit code 1 if a property is not kept."""
    if {"-h", "--help"} & set(arguments):
        rows = "\n".join(f"  {name:<20}{claim}" for name, claim in CLAIMS.items())
        sys.stdout.write(_HELP.format(properties=rows))
        return 0
    options = _options(arguments)
    given = parse(options.rest, flags=("--no-conventions",), words=1)
    if not given.words:
        raise ConfigError(
            "test-estimator needs a target",
            hint="`mlops test-estimator sklearn.linear_model.LogisticRegression`, or --help",
        )
    target = given.words[0]
    if "." in target:
        verdicts = _estimator(target, options, conventions="--no-conventions" not in given.flags)
    else:
        verdicts = _heuristic(target, options, given)
    document = cast("Json", {"target": target, "verdicts": [to_json(v) for v in verdicts]})

    def show(out: RichConsole) -> None:
        out.print(verdict_table(f"promises of {target}", verdicts))

    Console(given.format).result(document, show)
    return 1 if worst(verdict.status for verdict in verdicts) is Status.FAIL else 0


def _options(arguments: Sequence[str]) -> _Options:
    options = _Options()
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        name, equals, value = argument.partition("=")
        if name not in _VALUED:
            options.rest.append(argument)
            continue
        if not equals and not rest:
            raise ConfigError(f"{name} needs a value", hint="see `mlops test-estimator --help`")
        options.values.setdefault(name, []).append(value if equals else rest.pop(0))
    return options


def _estimator(path: str, options: _Options, *, conventions: bool) -> tuple[Verdict, ...]:
    from mlops.algorithms import trial
    from mlops.algorithms.conventions import check_conventions
    from mlops.base.target import load_class

    # The person who types a class to be tried means it: any package may hold it.
    found: type[Any] = load_class(path, object, packages=(path.partition(".")[0],))
    if issubclass(found, Heuristic):
        raise ConfigError(
            f"{path} is a heuristic, which needs its service's contract",
            hint="name it as training.heuristics does, for instance `mlops test-estimator "
            "popularity service=search_ranking`",
        )
    try:
        estimator = found(**options.arguments)
    except TypeError as error:
        raise ConfigError(f"{path} cannot be built: {error}", hint="see --argument") from error
    tried = trial.try_estimator(
        estimator,
        properties=options.properties,
        examples=int(options.number("--examples", trial.EXAMPLES)),
        tolerance=options.number("--tolerance", trial.TOLERANCE),
        random_seed=int(options.number("--seed", 0)),
    )
    return (tried, check_conventions(estimator)) if conventions else (tried,)


def _heuristic(name: str, options: _Options, given: Arguments) -> tuple[Verdict, ...]:
    verdicts: list[Verdict] = []

    def job(composed: Composed) -> None:
        from mlops.algorithms import trial
        from mlops.algorithms.relations_heuristic import PROPERTIES

        settings, loaded = composed.settings, contracts(composed)
        spec = settings.training.heuristics.get(name)
        if spec is None:
            raise ConfigError(
                f"training.heuristics of {settings.name} has no {name!r}",
                hint=f"it has: {', '.join(settings.training.heuristics)}; a class is named with "
                "its package",
            )
        packages = allowed_packages(settings)

        def fit(history: History) -> Heuristic:
            return fit_heuristic(spec, history, packages=packages).heuristic

        properties = options.properties
        if properties is None and spec.kind == "static":  # its score is the place on the page
            properties = [p for p in PROPERTIES if p is not Property.CANDIDATE_ORDER]
        tried = trial.try_heuristic(
            fit,
            training=loaded.training,
            request=loaded.request,
            properties=properties,
            examples=int(options.number("--examples", trial.EXAMPLES)),
            random_seed=int(options.number("--seed", 0)),
        )
        verdicts.append(tried)

    summary = "does an algorithm keep what it promises?"
    run_application("test-estimator", given.hydra, job, folder=Path.cwd(), summary=summary)
    return tuple(verdicts)
