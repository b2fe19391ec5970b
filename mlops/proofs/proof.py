"""A proof: all that is claimed of a compiled model, decided over its whole contract."""

from dataclasses import dataclass
from importlib.metadata import version

import numpy as np

from mlops.contracts.domain import Domain
from mlops.models.certificate import (
    Certificate,
    Property,
)
from mlops.models.kernels import kernel_name
from mlops.models.program import Program
from mlops.proofs.bounds import certify
from mlops.proofs.cells import cut_columns
from mlops.proofs.claims import TOLERANCE, Subject
from mlops.proofs.extremes import prove_interval
from mlops.proofs.independence import prove_independent
from mlops.proofs.interval import Clock, bound
from mlops.proofs.monotone import prove_monotone
from mlops.proofs.moves import Budget
from mlops.proofs.spec import ProofsSpec

_STEPS = 20_000


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be proved, and how long that may take.

    Attributes:
        program: The compiled model.
        domain: The contract that it answers for.
        spec: The claims and the budgets.
        seed: Of the search for extreme rows.
    """

    program: Program
    domain: Domain
    spec: ProofsSpec
    seed: int


def prove_all(task: Task, *, clock: Clock) -> Certificate:
    """Prove a program's range and decide every claim about it.

    Args:
        task: What is to be proved.
        clock: Seconds, for the budgets.

    Raises:
        ContractError: The program reads a column that the contract does not have.
    """
    program, domain, spec = task.program, task.domain, task.spec
    intervals = bound(
        program,
        domain,
        budget_s=spec.bound_s,
        clock=clock,
        rng=np.random.default_rng(task.seed),
        node_limit=spec.bound_nodes,
    )
    tighter = {name: [each.certified for each in found] for name, found in intervals.items()}
    bounds = certify(program, domain, tighter=tighter)
    subject = subject_of(program, domain, spec, clock=clock, bounds=bounds, seed=task.seed)
    properties = (_finite(bounds), prove_interval(subject, intervals), *_claims(subject, spec))
    return bounds.model_copy(
        update={
            "properties": properties,
            "bound_s": spec.bound_s,
            "bound_nodes": spec.bound_nodes,
            "tolerance": TOLERANCE,
            "made_by": f"mlops {version('mlops')}, {kernel_name()} kernel",
        }
    )


def _finite(bounds: Certificate) -> Property:
    claim = "every answer is a finite number, for missing values and unseen categories too"
    return Property(
        kind="finite",
        of="score",
        claim=claim,
        status="proven" if bounds.finite else "undecided",
        reason="by interval arithmetic" if bounds.finite else "; ".join(bounds.unknown),
        demand="proven",
    )


def subject_of(
    program: Program,
    domain: Domain,
    spec: ProofsSpec,
    *,
    clock: Clock,
    bounds: Certificate | None = None,
    seed: int = 0,
) -> Subject:
    """Return a program with what its claims are proved from.

    Args:
        program: The compiled model.
        domain: The contract that it answers for.
        spec: The budget of each claim.
        clock: Seconds, for the budget.
        bounds: What is proved about its range; None proves the plain interval now.
        seed: Of the rows that are tried against a claim.
    """

    def budget() -> Budget:
        deadline = clock() + spec.bound_s
        return Budget(_STEPS, lambda: clock() >= deadline)

    return Subject(
        program=program,
        domain=domain,
        variables=cut_columns(program, domain),
        bounds=certify(program, domain) if bounds is None else bounds,
        budget=budget,
        seed=seed,
    )


def _claims(subject: Subject, spec: ProofsSpec) -> list[Property]:
    return [
        *(prove_monotone(subject, column, claim) for column, claim in spec.monotone.items()),
        *(prove_independent(subject, column, claim) for column, claim in spec.independent.items()),
    ]
