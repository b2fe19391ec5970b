"""A PrometheusRule: the same rules as the resource that the Prometheus operator reads."""

import re
from collections.abc import Collection, Sequence

from mlops.slo.catalog import Omitted
from mlops.slo.objective import Objective
from mlops.slo.output import yaml_text
from mlops.slo.rules import groups_of, header
from mlops.slo.spec import SloSpec

_NOT_IN_NAMES = re.compile(r"[^a-z0-9.-]+")
_LONGEST_NAME = 253


def prometheus_rule(
    name: str,
    objectives: Sequence[Objective],
    spec: SloSpec,
    *,
    omitted: Sequence[Omitted] = (),
    elsewhere: Collection[str] = (),
) -> str:
    """Compile objectives to a `PrometheusRule`.

    Args:
        name: What the resource is named after; what a name there may not hold becomes `-`.
        objectives: The SLOs of one OpenSLO file.
        spec: Windows and intervals, and the labels by which Prometheus selects rules.
        omitted: The SLOs of the same file that have no rules, which the header tells.
        elsewhere: Services whose standing alerts are in another resource.

    Returns:
        YAML for `kubectl apply`; the same input always gives the same bytes.

    Raises:
        ConfigError: As for `rules.generate`.
    """
    body = yaml_text(
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {
                "name": resource_name(name),
                "labels": {"app.kubernetes.io/managed-by": "mlops", **spec.kubernetes_labels},
            },
            "spec": {"groups": groups_of(objectives, spec, elsewhere=elsewhere)},
        }
    )
    return f"{header(objectives, spec, omitted=omitted)}{body}"


def resource_name(name: str) -> str:
    """Return the name of the resource: an RFC 1123 subdomain.

    >>> resource_name("search_ranking")
    'slo-search-ranking'
    """
    plain = _NOT_IN_NAMES.sub("-", name.lower()).strip("-.")
    return f"slo-{plain}"[:_LONGEST_NAME].rstrip("-.")
