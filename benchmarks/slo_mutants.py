"""The proof's benchmark: how many wrong rule files the generated unit tests notice.

Each number, window, label and operator in the rules of one SLO is altered once; each such mutant is
given to promtool with the tests of the right rules. With the short windows of `conf/slo/fast.yaml`
all mutants are tried, with those of production every twelfth, since its long run takes seconds.
Prints what is not noticed and writes benchmarks/results/slo_mutants.json. Takes some ten minutes.

    OMP_NUM_THREADS=1 python -m benchmarks.slo_mutants
"""

import shutil
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

from benchmarks.machine import write
from mlops.base.digest import Json, canonical_json
from mlops.slo.catalog import read_catalog
from mlops.slo.objective import Objective
from mlops.slo.period_proof import period_test_of
from mlops.slo.proof import tests_of
from mlops.slo.rules import generate
from mlops.slo.spec import SloSpec
from tests.components.mutants import Mutant, mutants, survives

ROOT = Path(__file__).parents[1]
DEFINITIONS = ROOT / "slo" / "open_bandit.yaml"
SLO = "open-bandit-model-served"
EVERY = {"fast": 1, "default": 12}
GOAL = 0.95


def main() -> None:
    """Measure both profiles, print and write the result."""
    objective = next(o for o in read_catalog([DEFINITIONS]).objectives if o.slo == SLO)
    promtool = shutil.which("promtool")
    if promtool is None:
        raise SystemExit("promtool is not installed: apt-get install prometheus")
    results: dict[str, Json] = {
        profile: measured(objective, profile, promtool) for profile in EVERY
    }
    write("slo_mutants", {"slo": SLO, "goal": GOAL, **results})


def measured(objective: Objective, profile: str, promtool: str) -> Json:
    """Return how many mutants of one profile's rules are noticed, by what was altered."""
    section = yaml.safe_load((ROOT / "conf" / "slo" / f"{profile}.yaml").read_text())
    spec = SloSpec.model_validate_json(canonical_json(section))
    rules = generate([objective], spec, elsewhere={objective.service})
    period = period_test_of(objective, spec, rules="rules.yml")
    proofs = (tests_of([objective], spec, rules="rules.yml"), *([period] if period else []))
    every = mutants(rules)
    tried = every[:: EVERY[profile]]

    def lives(mutant: Mutant) -> bool:
        with tempfile.TemporaryDirectory() as folder:
            return survives(mutant, proofs, Path(folder), promtool)

    began = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        outcome = list(zip(tried, pool.map(lives, tried), strict=True))
    seconds = time.perf_counter() - began
    alive = [mutant for mutant, lived in outcome if lived]
    for mutant in alive:
        print(f"{profile}: not noticed: {mutant.kind}: {mutant.place}")
    noticed = 1 - len(alive) / len(tried)
    print(f"{profile}: {noticed:.1%} of {len(tried)} noticed in {seconds:.0f} s")
    kinds, living = Counter(m.kind for m in tried), Counter(m.kind for m in alive)
    return {
        "mutants": len(every),
        "tried": len(tried),
        "noticed": round(noticed, 4),
        "by_kind": {
            kind: {"tried": count, "noticed": count - living[kind]}
            for kind, count in sorted(kinds.items())
        },
        "not_noticed": [f"{mutant.kind}: {mutant.place}" for mutant in alive],
        "seconds": round(seconds, 1),
    }


if __name__ == "__main__":
    main()
