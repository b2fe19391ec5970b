"""`mlops slo generate`: compiles definitions to rules for Prometheus, their tests, and routes.

Beside each definition, or in `--out FOLDER`: `NAME.rules.yml`, which Prometheus loads, or with
`--kubernetes` `NAME.prometheusrule.yaml`, which its operator reads; `NAME.rules.test.yml`, by which
`promtool test rules` proves the former, unless `--no-tests`; and `alertmanager.slo.yml`, the pieces
for an Alertmanager. `--check` writes nothing and says whether a file would change.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from mlops.base.errors import ConfigError
from mlops.base.verdict import Verdict
from mlops.cli.slo_call import SloCall
from mlops.cli.slo_generated import compare, write_changed
from mlops.slo.alertmanager import fragment
from mlops.slo.catalog import Catalog, Omitted, read_catalog
from mlops.slo.prometheus_rule import prometheus_rule
from mlops.slo.proof import tests_of
from mlops.slo.rules import generate

_RULES = (".rules.yml", ".prometheusrule.yaml")
_ALERTMANAGER = "alertmanager.slo.yml"


def generate_rules(call: SloCall) -> Verdict | None:
    """Write the generated files, print the rules with `--dry-run`, or `--check` what is there.

    Returns:
        With `--check` the verdict `slo.generated`, which fails where a file would change.

    Raises:
        ConfigError: A definition is wrong, or two files would get the same name.
    """
    catalog = read_catalog(call.files)
    files = dict(_files(call, catalog))
    for omitted in catalog.omitted:
        call.console.say(f"{omitted.place}: {omitted.slo} has no rules: {omitted.reason}")
    if "--check" in call.given.flags:
        return compare(call, files)
    if "--dry-run" in call.given.flags:
        rules = (text for path, text in files.items() if path.name.endswith(_RULES))
        sys.stdout.write("---\n".join(rules))  # rich would wrap its lines
        return None
    write_changed(call, files)
    return None


def _files(call: SloCall, catalog: Catalog) -> Iterator[tuple[Path, str]]:
    """Yield path and text of each file; the standing alerts of a service are in its first."""
    elsewhere: set[str] = set()
    taken: dict[Path, Path] = {}
    for path in dict.fromkeys(call.files):
        objectives, omitted = catalog.of_file(str(path)), _omitted(catalog, path)
        if not objectives and not omitted:
            continue  # it holds only what others refer to
        target = _target(call, path)
        if taken.setdefault(target, path) is not path:
            raise ConfigError(f"{path} and {taken[target]} would both be written to {target}")
        if "--kubernetes" in call.given.flags:
            text = prometheus_rule(
                path.stem, objectives, call.spec, omitted=omitted, elsewhere=elsewhere
            )
        else:
            text = generate(objectives, call.spec, omitted=omitted, elsewhere=elsewhere)
        yield target, text
        if {"--kubernetes", "--no-tests"}.isdisjoint(call.given.flags):
            tests = tests_of(objectives, call.spec, rules=target.name)
            yield target.with_suffix(".test.yml"), tests
        elsewhere |= {objective.service for objective in objectives}
    for target in list(taken)[:1]:  # one Alertmanager has the alerts of all
        yield target.with_name(_ALERTMANAGER), fragment()


def _omitted(catalog: Catalog, path: Path) -> tuple[Omitted, ...]:
    return tuple(item for item in catalog.omitted if item.place.origin == str(path))


def _target(call: SloCall, path: Path) -> Path:
    kubernetes = "--kubernetes" in call.given.flags
    name = f"{path.stem}{_RULES[kubernetes]}"
    folder = call.given.options.get("--out")
    return path.with_name(name) if folder is None else Path(folder) / name
