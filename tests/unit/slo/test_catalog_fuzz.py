"""The catalog, given what nobody would write: it is read, refused or omitted, never a crash."""

import copy
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops.base.digest import Json
from mlops.base.errors import ConfigError
from mlops.slo.catalog import read_catalog
from mlops.slo.check import judge
from mlops.slo.document import parse_documents
from mlops.slo.rules import generate
from mlops.slo.spec import SloSpec

PAGE = Path(__file__).parents[3] / "docs" / "slo-definitions.md"
DOCUMENTS = [
    document.value
    for block in PAGE.read_text().split("```yaml\n")[1:]
    for document in parse_documents(block.partition("```")[0].encode(), "page")
]
STRANGE: tuple[Json, ...] = (
    "", "a", "0", "-1", "1e400", "{{.window}}", "{{ $value }}", "sum(", "x[5m]", "1 + 1",
    "vector(1)", "rate(a[{{.window}}])", "a # b", 'a{b="\\', "\u0000", "\U0001f600", "Europe",
    "../etc/passwd", "999999999w", "1m", "1d", "1M", "1Q", "999999999Y", 0, -1, 0.5, 1, 1e-300,
    1e300, 99.99999999999, True, None, [], {}, [[]], "2026-01-01 00:00:00", "9999-12-31 23:59:59",
    "Occurrences", "Timeslices", "RatioTimeslices", "SLO", "SLI", "mlops", "Prometheus", "lt",
    "page", "ticket",
)  # fmt: skip


def places(value: Json, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the paths of all keys and items."""
    items: Iterator[tuple[str | int, Json]] = iter(())
    if isinstance(value, Mapping):
        items = iter(value.items())
    elif isinstance(value, list):
        items = iter(enumerate(value))
    for key, below in items:
        yield (*at, key)
        yield from places(below, (*at, key))


def changed(documents: list[dict[str, Json]], change: st.DataObject) -> list[dict[str, Json]]:
    """Return documents of which one has another value, or one key less or more, somewhere."""
    result = copy.deepcopy(documents)
    document = change.draw(st.sampled_from(result))
    path = change.draw(st.sampled_from(list(places(document))))
    holder: Json = document
    for key in path[:-1]:
        assert isinstance(holder, dict | list)
        holder = holder[key]  # type: ignore[index] # the path is of this document
    assert isinstance(holder, dict | list)
    what = change.draw(st.sampled_from(["value", "less", "more"]))
    strange = change.draw(st.sampled_from(STRANGE) | st.text(max_size=20) | st.floats(width=32))
    if what == "less":
        del holder[path[-1]]  # type: ignore[arg-type] # the path is of this document
    elif what == "more" and isinstance(holder, dict):
        holder[
            change.draw(st.sampled_from(["counter", "spec", "op", "value", "timeSliceWindow"]))
        ] = strange
    else:
        holder[path[-1]] = strange  # type: ignore[index] # the path is of this document
    return result


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(change=st.data())
def test_one_strange_value_is_read_refused_or_omitted(
    tmp_path: Path, change: st.DataObject
) -> None:
    path = tmp_path / "slo.yaml"
    documents = changed(changed(DOCUMENTS, change), change)
    path.write_text("\n---\n".join(json.dumps(document) for document in documents))
    try:
        catalog = read_catalog([path])
    except ConfigError as error:
        for problem in error.problems or (error,):
            assert problem.place is not None
        return
    judge(catalog, SloSpec())
    with suppress(ConfigError):
        generate(catalog.objectives, SloSpec())
