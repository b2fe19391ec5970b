"""A resolution: settings whose classes are loaded, ready for the rooms below."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from mlops.base.digest import Json
from mlops.base.errors import ConfigError, ContractError, MlopsError, Place
from mlops.base.section import Target
from mlops.base.target import load_class
from mlops.config.compose import Composed
from mlops.config.settings import allowed_packages, folders
from mlops.contracts.domain import Domain
from mlops.contracts.schema import Schema, as_schema, read_domain
from mlops.data.sources import source
from mlops.models.signature import Signer, Trust
from mlops.training.plan import Plan

_SECRETS = {"serving": {"decision_log": {"subject_salt"}}}  # no reader of a run record needs it


@dataclass(frozen=True, slots=True)
class Contracts:
    """A service's contracts, loaded and read.

    Attributes:
        schema: pandera model of the training frame.
        training: Its domain.
        request: Domain of a request.
        output: Domain of an answered candidate; its column `score` bounds what a model may say.
    """

    schema: Schema
    training: Domain
    request: Domain
    output: Domain


def contracts(composed: Composed) -> Contracts:
    """Load a service's contracts.

    Raises:
        ConfigError: A class cannot be loaded, is no pandera model, or they contradict each other.
    """
    schemas: dict[str, Schema] = {}
    domains: dict[str, Domain] = {}
    problems: list[MlopsError] = []
    spec = composed.settings.contracts
    targets = {"training": spec.training, "request": spec.request, "output": spec.output}
    for role, target in targets.items():
        try:
            schemas[role] = _load(composed, role, target)
            domains[role] = _domain(composed, role, schemas[role])
        except ConfigError as error:
            problems.append(error)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise ConfigError(f"{len(problems)} contracts are wrong", problems=tuple(problems))
    schema, training = schemas["training"], domains["training"]
    request, output = domains["request"], domains["output"]
    try:
        output.column("score")
    except MlopsError as error:
        raise placed(error, composed.origins.place(("contracts", "output", "_target_"))) from error
    for column in request.request:
        if column not in training.columns:
            raise ConfigError(
                f"contracts.training: column {column.name!r} of the request is missing there, or"
                " declared in another way",
                hint="let the training contract inherit from the request's",
                place=composed.origins.place(("contracts", "training", "_target_")),
            )
    return Contracts(schema, training, request, output)


def plan(composed: Composed, loaded: Contracts, folder: Path) -> Plan:
    """Return the training run that settings describe.

    Args:
        composed: The configuration.
        loaded: The contracts.
        folder: Where the command runs.
    """
    settings = composed.settings
    places = folders(settings, folder)
    return Plan(
        service=settings.name,
        seed=settings.seed,
        packages=allowed_packages(settings),
        source=source(
            settings.data.source,
            columns=loaded.training.columns,
            folder=places.data,
        ),
        schema=loaded.schema,
        domain=loaded.training,
        request=loaded.request,
        max_bad_share=settings.contracts.max_bad_share,
        split=settings.data.split,
        model=settings.model,
        training=settings.training,
        quality=settings.quality,
        proofs=settings.proofs,
        folders=places,
        config=cast("Json", settings.model_dump(mode="json", exclude=_SECRETS)),
    )


def signer(composed: Composed, folder: Path) -> Signer | None:
    """Return who signs bundles; None if `release.signing_key` names nobody.

    Args:
        composed: The configuration.
        folder: Where the command runs.

    Raises:
        ConfigError: The key cannot be read, or is none.
    """
    named = composed.settings.release.signing_key
    if named is None:
        return None
    try:
        return Signer.read(folder / named)
    except ConfigError as error:
        raise placed(error, composed.origins.place(("release", "signing_key"))) from error


def trust(composed: Composed, folder: Path) -> Trust:
    """Return whose bundles are believed.

    Args:
        composed: The configuration.
        folder: Where the command runs.

    Raises:
        ConfigError: A key cannot be read, or is none.
    """
    spec = composed.settings.serving.trust
    try:
        return Trust.of(
            [folder / name for name in spec.keys], required=spec.signatures == "required"
        )
    except ConfigError as error:
        raise placed(error, composed.origins.place(("serving", "trust", "keys"))) from error


def placed(error: MlopsError, place: Place | None) -> ConfigError:
    """Return an error of a lower room with the place that its cause was configured at."""
    return ConfigError(error.message, hint=error.hint, place=error.place or place)


def _load(composed: Composed, role: str, target: Target) -> Schema:
    try:
        if target.arguments:
            raise ConfigError(
                f"contracts.{role} takes no arguments, found {', '.join(target.arguments)}",
                hint="a contract is a class; declare its checks in Python",
            )
        found = load_class(target.path, object, packages=allowed_packages(composed.settings))
        return as_schema(found)
    except (ConfigError, ContractError) as error:
        raise placed(error, composed.origins.place(("contracts", role, "_target_"))) from error


def _domain(composed: Composed, role: str, schema: Schema) -> Domain:
    try:
        return read_domain(schema)
    except MlopsError as error:
        raise placed(error, composed.origins.place(("contracts", role, "_target_"))) from error
