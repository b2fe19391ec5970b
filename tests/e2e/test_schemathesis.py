"""Whatever the OpenAPI document allows or forbids, the server answers as the document says."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    response_schema_conformance,
    status_code_conformance,
)

from tests.e2e.faults.ground import Ground
from tests.e2e.faults.scene import Scene
from tests.e2e.faults.servers import Server

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

EXAMPLES = 60
"""For each operation, of what is allowed and again of what is not."""
UNHURRIED = {"deadline_ms": 5000.0, "reserve_ms": 100.0}
"""A busy machine's 503 is no finding here."""
CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("schemathesis")
    with ExitStack() as stack:
        ground = Ground.laid(folder / "ground", stack)
        yield stack.enter_context(Scene(ground, folder, UNHURRIED).serve())


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_no_answer_is_outside_the_document_and_none_is_a_server_error(
    server: Server, mode: GenerationMode
) -> None:
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{server.port}/openapi.json")
    asked = 0
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        if mode is GenerationMode.NEGATIVE and not (len(operation.body) or len(operation.query)):
            continue  # nothing in it can be wrong
        strategy = operation.as_strategy(generation_mode=mode)

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=strategy)
        def ask(case: schemathesis.Case[Any]) -> None:
            nonlocal asked
            asked += 1
            case.call_and_validate(checks=CHECKS)

        ask()
    assert asked >= EXAMPLES
    assert server.process.poll() is None
