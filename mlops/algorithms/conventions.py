"""A convention: what scikit-learn's own checks ask of an estimator that goes into its pipelines."""

import warnings
from typing import Any

from mlops.base.verdict import Finding, Status, Verdict


def check_conventions(estimator: Any) -> Verdict:
    """Run scikit-learn's estimator checks.

    Args:
        estimator: Unfitted.

    Returns:
        A verdict `conventions`: each failed check by name, and how many passed. Checks that
        scikit-learn skips, for want of a library say, count as neither.
    """
    from sklearn.utils.estimator_checks import check_estimator

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(estimator, on_fail=None, on_skip=None)  # type: ignore[call-arg] # the stubs are older
    failed = [_failed(result) for result in results if result["status"] == "failed"]
    passed = sum(result["status"] == "passed" for result in results)
    told = Finding("convention", Status.PASS, f"{passed} of scikit-learn's checks pass")
    return Verdict("conventions", (told, *failed))


def _failed(result: dict[str, Any]) -> Finding:
    error = result["exception"]
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return Finding(f"convention.{result['check_name']}", Status.FAIL, text)
