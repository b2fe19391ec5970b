"""A rollover: another bundle or other settings take the place of those that serve, or do not.

A reload goes through four steps, and whatever fails in one leaves what runs as it is:

1. located and verified by a trial process: signature, hashes, contract, golden batch;
2. loaded by the supervisor, which later workers are forked from;
3. prepared by every worker, beside the plan that serves;
4. committed by one write of the shared epoch, which every request reads when it begins, so that
   no request that begins after it is answered by the old plan, in whichever worker.

The plan before stays loaded. An opening breaker in the first minutes brings it back.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec

from mlops.base.clock import Clock
from mlops.base.errors import MlopsError
from mlops.models.artifact import Bundle
from mlops.serving.events import Events
from mlops.serving.lanes import LaneKind
from mlops.serving.messages import Forget, Misbehaved, Prepare, Prepared, ToWorker, encode
from mlops.serving.plan import Plan
from mlops.serving.settings import ServeSettings
from mlops.serving.spec import Protection

_PREPARE_S = 30.0

Answer = Callable[[int, dict[str, object]], None]
"""Takes the HTTP status and the body of the answer to whoever asked for a reload."""


class Verdict(msgspec.Struct):
    """What a trial process found.

    Attributes:
        digest: Digest of the bundle that it accepted; empty if it refused it.
        lane: Where its model shall run.
        reason: Closed word for the refusal.
        problem: The refusal in words.
    """

    digest: str = ""
    lane: LaneKind = "process"
    reason: str = ""
    problem: str = ""


class Loader(Protocol):
    """Reads settings and bundles."""

    def reread(self, running: ServeSettings) -> ServeSettings:
        """Return the settings as they stand in their file now.

        Raises:
            ConfigError: They are wrong, or change what only a restart can.
        """
        ...

    def locate(self, reference: str, settings: ServeSettings) -> Path:
        """Return the folder that a reference means.

        Raises:
            BundleError: There is none, or it lies outside the bundles' folder.
        """
        ...

    def accept(self, path: Path, plan: Plan, *, allow_downgrade: bool, golden: bool) -> Bundle:
        """Return a bundle that may take the place of a plan's.

        Raises:
            BundleError: It is refused; the message says why.
        """
        ...

    def lane(self, bundle: Bundle, settings: ServeSettings) -> LaneKind:
        """Measure a bundle's model on this host and return where it shall run."""
        ...

    def keep(self, plan: Plan) -> None:
        """Note that a plan proved itself."""
        ...


class Crew(Protocol):
    """The worker processes, as `mlops.hosting.supervisor.Supervisor` has them."""

    def workers(self) -> Sequence[int]:
        """Return the members that answer."""
        ...

    def tell(self, member: int, content: bytes) -> None:
        """Send a message to a member."""
        ...

    def try_out(
        self, run: Callable[[], bytes], *, within_s: float, done: Callable[[bytes | None], None]
    ) -> None:
        """Run something in a trial process; `done` gets its result, or None if it failed."""
        ...


@dataclass(slots=True)
class _Attempt:
    settings: ServeSettings
    path: Path
    allow_downgrade: bool
    answer: Answer
    plan: Plan | None = None
    waiting: set[int] = field(default_factory=set)
    until: float = 0.0


class Rollover:
    """Keeps the plan that serves and the one before it.

    Args:
        first: The plan at boot; its epoch is written by the caller.
        loader: Reads settings and bundles.
        crew: The workers.
        commit: Makes a plan the one that serves: writes the shared epoch.
        events: Told of each outcome.
        counted: Counts outcomes: `swapped`, `refused`, `rolled_back`.
        clock: Monotonic time.
    """

    def __init__(  # noqa: PLR0913 - its ports, joined in one place (`server`)
        self,
        first: Plan,
        *,
        loader: Loader,
        crew: Crew,
        commit: Callable[[Plan], None],
        events: Events,
        counted: Callable[[str], None],
        clock: Clock,
    ) -> None:
        self.current = first
        self.previous: Plan | None = None
        self._loader = loader
        self._crew = crew
        self._commit = commit
        self._events = events
        self._counted = counted
        self._clock = clock
        self._attempt: _Attempt | None = None
        self._last_epoch = first.epoch
        self._watched_until: float | None = clock.monotonic() + first.settings.serving.swap.watch_s

    @property
    def watching(self) -> bool:
        """Whether the plan that serves is still new enough to be taken back."""
        return self._watched_until is not None and self.previous is not None

    def reload(self, reference: str, *, allow_downgrade: bool, answer: Answer) -> None:
        """Begin to replace the plan that serves.

        Args:
            reference: Bundle: a pointer's name, a digest, or a folder inside the bundles' folder;
                empty for what the settings name.
            allow_downgrade: Whether it may have been signed earlier than the one that runs.
            answer: Called once with the outcome.
        """
        if self._attempt is not None:
            answer(409, {"error": "another reload is under way", "reason": "busy"})
            return
        try:
            settings = self._loader.reread(self.current.settings)
        except MlopsError as error:
            self._refuse(answer, 422, "settings", _told(error))
            return
        try:
            path = self._loader.locate(reference or settings.reference, settings)
        except MlopsError as error:
            self._refuse(answer, 409, getattr(error, "reason", "missing"), _told(error))
            return
        attempt = _Attempt(settings, path, allow_downgrade, answer)
        self._attempt = attempt
        current, loader = self.current, self._loader

        def trial() -> bytes:
            try:
                bundle = loader.accept(path, current, allow_downgrade=allow_downgrade, golden=True)
            except MlopsError as error:
                reason = str(getattr(error, "reason", "invalid"))
                return encode(Verdict(reason=reason, problem=_told(error)))
            return encode(Verdict(bundle.ref.digest, loader.lane(bundle, settings)))

        within_s = settings.serving.swap.load_s
        self._crew.try_out(trial, within_s=within_s, done=self._tried)

    def _tried(self, result: bytes | None) -> None:
        attempt = self._attempt
        assert attempt is not None
        if result is None:
            self._end(attempt, "invalid", "loading it ended the trial process, or took too long")
            return
        verdict = msgspec.msgpack.decode(result, type=Verdict)
        if not verdict.digest:
            self._end(attempt, verdict.reason, verdict.problem)
            return
        # The file names the bundle of the boot, the plan the one that took its place since.
        running = self.current.settings.model_copy(update={"bundle": attempt.settings.bundle})
        if verdict.digest == self.current.digest and attempt.settings == running:
            self._attempt = None
            attempt.answer(200, {"outcome": "unchanged", "digest": verdict.digest})
            return
        self._prepare(attempt, verdict)

    def _prepare(self, attempt: _Attempt, verdict: Verdict) -> None:
        try:
            bundle = self._loader.accept(
                attempt.path, self.current, allow_downgrade=attempt.allow_downgrade, golden=False
            )
        except MlopsError as error:
            self._end(attempt, getattr(error, "reason", "changed"), _told(error))
            return
        if bundle.ref.digest != verdict.digest:
            self._end(attempt, "changed", "it changed while it was loaded")
            return
        self._last_epoch += 1
        settings = attempt.settings.model_copy(update={"bundle": str(attempt.path)})
        attempt.plan = Plan(self._last_epoch, settings, bundle, verdict.lane)
        attempt.until = self._clock.monotonic() + _PREPARE_S
        for member in self._crew.workers():
            self.welcome(member)
        self._commit_if_prepared(attempt)

    def welcome(self, member: int) -> None:
        """Let a worker prepare the plan that is being prepared, if there is one."""
        attempt = self._attempt
        if attempt is None or attempt.plan is None:
            return
        attempt.waiting.add(member)
        self._let_prepare(member, attempt.plan)

    def catch_up(self, member: int) -> None:
        """Let a worker prepare the plan that serves, which took over after it was forked."""
        self._let_prepare(member, self.current)

    def _let_prepare(self, member: int, plan: Plan) -> None:
        # The contract may be long, and the bundle has it.
        settings = plan.settings.model_copy(update={"domain": None}).model_dump_json().encode()
        self._tell(member, Prepare(plan.epoch, settings, plan.digest, plan.lane))

    def left(self, member: int) -> None:
        """Wait no longer for a worker that ended."""
        attempt = self._attempt
        if attempt is not None and attempt.plan is not None:
            attempt.waiting.discard(member)
            self._commit_if_prepared(attempt)

    def prepared(self, member: int, said: Prepared) -> None:
        """Take note that a worker holds a plan ready, or could not."""
        attempt = self._attempt
        if attempt is None or attempt.plan is None or said.epoch != attempt.plan.epoch:
            return
        if said.problem:
            self._end(attempt, "invalid", f"a worker could not load it: {said.problem}")
            return
        attempt.waiting.discard(member)
        self._commit_if_prepared(attempt)

    def _commit_if_prepared(self, attempt: _Attempt) -> None:
        if attempt.plan is None or attempt.waiting:
            return
        self._attempt = None
        self.previous, self.current = self.current, attempt.plan
        self._commit(self.current)
        self._forget()
        swap = attempt.settings.serving.swap
        self._watched_until = self._clock.monotonic() + swap.watch_s
        old, new = self.previous.digest, self.current.digest
        self._events.add("swap", {"outcome": "swapped", "from": old, "to": new})
        self._counted("swapped")
        attempt.answer(200, {"outcome": "swapped", "digest": new, "previous": old})

    def misbehaved(self, said: Misbehaved) -> None:
        """Bring the previous plan back if the one that serves is new."""
        protects = self.current.settings.serving.protects(Protection.WATCH)
        if said.epoch == self.current.epoch and self.watching and protects:
            self.roll_back(f"its breaker opened: {said.reason}")

    def roll_back(self, reason: str) -> bool:
        """Bring the previous plan back, for a reason in words; returns whether there is one."""
        previous = self.previous
        if previous is None:
            return False
        bad, self.current, self.previous = self.current, previous, None
        self._commit(self.current)
        self._forget()
        self._watched_until = None
        fields = {"outcome": "rolled_back", "from": bad.digest, "to": previous.digest,
                  "reason": reason}  # fmt: skip
        self._events.add("swap", fields)
        self._counted("rolled_back")
        return True

    def tick(self, now: float) -> None:
        """Give up what takes too long, and end the watch over what proved itself."""
        attempt = self._attempt
        if attempt is not None and attempt.plan is not None and now > attempt.until:
            self._end(attempt, "invalid", "the workers did not load it in time")
        if self._watched_until is not None and now > self._watched_until:
            self._watched_until = None
            self._loader.keep(self.current)

    def _forget(self) -> None:
        previous = 0 if self.previous is None else self.previous.epoch
        for member in self._crew.workers():
            self._tell(member, Forget(self.current.epoch, previous))

    def _end(self, attempt: _Attempt, reason: str, problem: str) -> None:
        prepared = attempt.plan is not None
        self._attempt = None
        if prepared:
            self._forget()
        self._refuse(attempt.answer, 409, reason, problem)

    def _refuse(self, answer: Answer, code: int, reason: str, problem: str) -> None:
        self._events.add("swap", {"outcome": "refused", "reason": reason, "problem": problem})
        self._counted("refused")
        answer(code, {"error": problem, "reason": reason})

    def _tell(self, member: int, message: ToWorker) -> None:
        self._crew.tell(member, encode(message))


def _told(error: MlopsError) -> str:
    return f"{error.message}; {error.hint}" if error.hint else error.message
