"""The simulator's benchmark: a million impressions of the job board, on one core.

    OMP_NUM_THREADS=1 python -m benchmarks.jobboard

Prints the figure and writes benchmarks/results/jobboard.json. The limit is 30 s of CPU. Beside it
stands what validating the same rows by their contract takes.
"""

import os
import resource
import time

from benchmarks.machine import write
from mlops.contracts.schema import validate
from mlops.contracts.search_ranking import Training
from mlops.data.jobboard import JobBoard
from mlops.data.spec import JobBoardSource

SEARCHES, CANDIDATES = 25_000, 40
LIMIT_S = 30.0


def main() -> None:
    """Measure, print, write."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    spec = JobBoardSource(kind="jobboard", searches=SEARCHES, candidates=CANDIDATES)
    started = time.process_time()
    frame = JobBoard(spec).read()
    simulated_s = time.process_time() - started
    started = time.process_time()
    validated = validate(Training, frame)
    validated_s = time.process_time() - started
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{len(frame):,} impressions in {simulated_s:.1f} s of CPU, limit {LIMIT_S:g} s")
    print(f"validated in {validated_s:.1f} s, {len(validated.bad)} bad, peak {peak_mb:,.0f} MiB")
    write(
        "jobboard",
        {
            "impressions": len(frame),
            "simulated_cpu_s": round(simulated_s, 2),
            "validated_cpu_s": round(validated_s, 2),
            "limit_cpu_s": LIMIT_S,
            "peak_mib": round(peak_mb),
        },
    )


if __name__ == "__main__":
    main()
