"""A corruption alert: a model gave what its certificate proves impossible, which pages at once.

No budget is asked: one such answer means that memory, a file or a build is broken, not that the
model is worse than before.
"""

from collections.abc import Sequence

from mlops.base.telemetry import CERTIFICATE_BREACHES
from mlops.slo import names
from mlops.slo.alerts import AlertRule
from mlops.slo.objective import Objective
from mlops.slo.spec import SloSpec
from mlops.slo.windows import prometheus_duration

_WINDOW_S = 900
_ANCHOR = "certificate-breach"


def corruption_alert(service: str, objectives: Sequence[Objective], spec: SloSpec) -> AlertRule:
    """Return the alert of one service.

    It stays for a quarter of an hour after the last such answer, long enough to be seen.

    Args:
        service: The service as metrics name it.
        objectives: All that are compiled together; those of the service say where its runbook is.
        spec: Where runbooks lie.
    """
    window = prometheus_duration(_WINDOW_S)
    series = f'{CERTIFICATE_BREACHES.name}{{service="{service}"}}'
    annotations = {
        "summary": f"{service}: the model gave an answer that is proved impossible",
        "description": (
            f'{{{{ $value | printf "%.0f" }}}} answers of {service}\'s model in the last {window} '
            "lay outside the range that its certificate proves for every allowed input. That is "
            "corruption, not drift. The model is left alone and its process replaced; users get "
            "the heuristic's answers."
        ),
        "first_look": (
            "The service's log: the line `the model is corrupted` has the value, the certified "
            "range and the bundle's digest. Does it come again after the process was replaced "
            '(mlops_model_restarts_total{cause="corrupted"})? Then roll back the bundle or take '
            "the host out."
        ),
    }
    page = _runbook(service, objectives)
    if page:
        base = "" if "://" in page else spec.runbook_base_url
        annotations["runbook_url"] = f"{base}{page}#{_ANCHOR}"
    return AlertRule(
        name=names.CORRUPTION,
        expr=f"sum by (service) (increase({series}[{window}])) > 0",
        for_s=0,
        keep_firing_for_s=0,
        labels={"service": service, "severity": "page"},
        annotations=annotations,
    )


def _runbook(service: str, objectives: Sequence[Objective]) -> str:
    """Return the page that the service's other runbooks are on; empty if it has none."""
    pages = [o.runbook_url for o in objectives if o.service == service and o.runbook_url]
    return pages[0].partition("#")[0] if pages else ""
