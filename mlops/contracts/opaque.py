"""An opaque check: one that only pandera can make, so that no request is held to it.

It is told by name, never left out in silence.
"""

from collections.abc import Iterator, Mapping

from mlops.base.verdict import Finding, Status
from mlops.contracts.domain import Domain


def uncompiled(contracts: Mapping[str, Domain]) -> tuple[Finding, ...]:
    """Return a warning for each check that only pandera can make, by name.

    Args:
        contracts: Contracts by their role in the configuration, `request`, `training` or `output`.
            What one inherits from another is told once.

    Returns:
        Findings `check.contracts.opaque` with status WARN and the key of the contract's class;
        none if everything is compiled.
    """
    found: dict[tuple[str, str], Finding] = {}
    for role, domain in contracts.items():
        for place, name, requested in _opaque(domain):
            finding = _told(role, domain, place, name, requested=requested)
            found.setdefault((place, name), finding)
    return tuple(found.values())


def _opaque(domain: Domain) -> Iterator[tuple[str, str, bool]]:
    for column in domain.columns:
        place = f"column {column.name!r}"
        yield from ((place, name, column.is_requested) for name in column.opaque)
        # Identifiers are unique in each request, which the decoder holds.
        if column.unique and column.is_requested and not column.identifier:
            yield place, "unique", True
    yield from (("the frame", name, True) for name in domain.opaque)


def _told(role: str, domain: Domain, place: str, name: str, *, requested: bool) -> Finding:
    where = "a request is not held to it" if requested else "no request has this column"
    if name.endswith("(only warns)"):
        where = "it stops nothing"
    return Finding(
        "check.contracts.opaque",
        Status.WARN,
        f"contract {domain.name}: check {name!r} of {place} cannot be compiled and holds in batch"
        f" only; {where}",
        key=("contracts", role, "_target_"),
        hint="say it with ge, gt, le, lt, isin, str_matches or another built-in check,"
        " or accept that only training data keep it",
    )
