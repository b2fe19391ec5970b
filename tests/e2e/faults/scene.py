"""A scene: one playing of a row, with its server, its traffic and what is gathered of both."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.load import Caller, Step
from benchmarks.load_records import Sample
from tests.e2e.faults import traffic
from tests.e2e.faults.ground import Ground, merged
from tests.e2e.faults.servers import Event, Server, serving
from tests.e2e.faults.traffic import Traffic
from tests.e2e.faults.verdicts import Goal, Observed, count, detected, model_is_back


@dataclass(frozen=True)
class Scene:
    """Where a row is played.

    Attributes:
        ground: Keys, bundles and requests.
        folder: For the files of this playing.
        changes: Changes of the serving section.
    """

    ground: Ground
    folder: Path
    changes: Mapping[str, Any] = field(default_factory=dict)

    @contextlib.contextmanager
    def serve(
        self,
        *,
        wait_for_model: bool = True,
        environment: Mapping[str, str] | None = None,
        **top: Any,
    ) -> Iterator[Server]:
        settings = self.ground.settings(self.folder / "state", self.changes, **top)
        with serving(
            settings, self.folder, wait_for_model=wait_for_model, environment=environment
        ) as server:
            yield server

    @contextlib.contextmanager
    def traffic(
        self,
        server: Server,
        *steps: Step,
        bodies: Sequence[bytes] | None = None,
        callers: Sequence[Caller] = (Caller(),),
        connections: int = 16,
        name: str = "load",
    ) -> Iterator[Traffic]:
        under_way = traffic.begin(
            server,
            self.ground.bodies if bodies is None else bodies,
            steps,
            self.folder,
            callers=callers,
            connections=connections,
            name=name,
        )
        try:
            yield under_way
        finally:
            under_way.close()


@dataclass(frozen=True)
class Fault:
    """Something done to a running server, and undone.

    Attributes:
        begin: Does it.
        end: Undoes it.
        lasts_s: Seconds in between.
    """

    begin: Callable[[Server], object]
    end: Callable[[Server], object] = lambda server: None
    lasts_s: float = 0.0


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        fault: What is broken.
        goal: What is asked.
        play: Plays it once.
        changes: Changes of the serving section for this row.
        unguarded: Further changes that take its guard away; the goal must then be missed. None
            for a row that has nothing to take away.
    """

    fault: str
    goal: Goal
    play: Callable[[Scene], Observed]
    changes: Mapping[str, Any] = field(default_factory=dict)
    unguarded: Mapping[str, Any] | None = None

    def scene(self, ground: Ground, folder: Path, *, guarded: bool) -> Scene:
        more = {} if guarded or self.unguarded is None else self.unguarded
        return Scene(ground, folder, merged(self.changes, more))


def under_load(
    fault: Fault,
    *,
    rate: float = 200.0,
    at_s: float = 1.5,
    rest_s: float = 3.0,
    recovered: Callable[[Server, Sequence[Sample], float], float | None] | None = None,
) -> Callable[[Scene], Observed]:
    """Return a play: steady traffic, a fault in the middle of it, and its end.

    Args:
        fault: What is done.
        rate: Requests a second.
        at_s: Seconds of traffic before it.
        rest_s: Seconds of traffic after its end.
        recovered: Tells, given the server, the requests and the monotonic time of the fault's end,
            how long it took until all was as before; None looks when the model answers again.
    """

    def play(scene: Scene) -> Observed:
        with scene.serve() as server:
            step = Step(at_s + fault.lasts_s + rest_s, rate)
            with scene.traffic(server, step) as load:
                began = load.wait_until(at_s)
                fault.begin(server)
                load.wait_until(at_s + fault.lasts_s)
                fault.end(server)
                ended = load.wait_until(at_s + fault.lasts_s)
                watched = None if recovered is None else recovered(server, (), ended)
                samples = load.finish()
            events = server.events()
        if recovered is None:
            watched = model_is_back(samples, ended)
        return observe(scene, server, samples, events=events, began=began, recover_s=watched)

    return play


def observe(
    scene: Scene,
    server: Server,
    samples: Sequence[Sample],
    *,
    events: Sequence[Event] = (),
    began: float = 0.0,
    recover_s: float | None = None,
    count_rows: bool = True,
) -> Observed:
    """Return what a playing showed; the server has ended, so that its log is whole."""
    counts = count(samples, scene.ground.expected)
    rows = server.rows() if count_rows else None
    return Observed(
        tally=counts,
        detect_s=detected(samples, events, began) if began else None,
        recover_s=recover_s,
        lost_rows=None if rows is None else max(0, counts.codes[200] - rows),
    )
