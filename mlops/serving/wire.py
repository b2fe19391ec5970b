"""A wire message: what a worker and its model process say to each other over a socket pair.

Each message is four bytes of length, big-endian, and MessagePack. Both ends are of one version
and one machine, so arrays travel as their float64 bytes, all number columns as one matrix.
"""

import struct
from collections.abc import Sequence
from functools import lru_cache

import msgspec
import numpy as np

from mlops.contracts.columns import Columns, Layout
from mlops.contracts.domain import Floats, Table

LENGTH = struct.Struct(">I")
LONGEST = 1 << 28
"""Most bytes of a message; what claims to be longer is none."""


class Ask(msgspec.Struct, array_like=True, gc=False):
    """A page of candidates to score.

    Attributes:
        ask_id: Names the question in its answer.
        deadline: Monotonic seconds, which all processes of a machine share, after which nobody
            waits for the answer any more.
        fault: Number of the kind of fault to play, 0 outside drills.
        fault_ms: The fault's amount.
        rows: Number of candidates.
        numbers: Names of the number columns.
        matrix: Their float64 values as bytes, row after row.
        texts: Category columns.
    """

    ask_id: int
    deadline: float
    fault: int
    fault_ms: int
    rows: int
    numbers: tuple[str, ...]
    matrix: memoryview
    texts: dict[str, list[str | None]]


class Answer(msgspec.Struct, array_like=True, gc=False):
    """What the model process says; `ask_id` 0 is its first word, that it is ready.

    Attributes:
        ask_id: Which question this answers.
        scores: float64 bytes, one score a candidate; empty without one.
        seconds: Time that the model took.
        error: What went wrong; empty if nothing did.
        expired: Whether the question came too late to be begun.
    """

    ask_id: int
    scores: bytes = b""
    seconds: float = 0.0
    error: str = ""
    expired: bool = False


class NoMessageError(Exception):
    """What came over the wire is no message: who sent it is out of order."""


_encoder = msgspec.msgpack.Encoder()
_ask_decoder = msgspec.msgpack.Decoder(Ask)
_answer_decoder = msgspec.msgpack.Decoder(Answer)


def pack(message: Ask | Answer) -> bytearray:
    """Return a message with its length before it."""
    packed = bytearray(LENGTH.size)
    _encoder.encode_into(message, packed, LENGTH.size)
    LENGTH.pack_into(packed, 0, len(packed) - LENGTH.size)
    return packed


def unpack_ask(payload: bytes | bytearray) -> Ask:
    """Return a question; raises msgspec.DecodeError if it is none."""
    return _ask_decoder.decode(payload)


class AnswerStream:
    """Cuts what comes out of a socket into answers."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, content: bytes) -> list[Answer]:
        """Return the answers that are whole now.

        Args:
            content: What came next.

        Raises:
            NoMessageError: It is no answer.
        """
        rest = self._rest
        rest += content
        found: list[Answer] = []
        at = 0
        while len(rest) - at >= LENGTH.size:
            (length,) = LENGTH.unpack_from(rest, at)
            if length > LONGEST:
                raise NoMessageError
            end = at + LENGTH.size + length
            if len(rest) < end:
                break
            found.append(_answer(bytes(rest[at + LENGTH.size : end])))
            at = end
        del rest[:at]
        return found


def _answer(payload: bytes) -> Answer:
    try:
        answer = _answer_decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NoMessageError from error
    if len(answer.scores) % 8:
        raise NoMessageError
    return answer


def split_table(
    table: Table, columns: Sequence[str] = ()
) -> tuple[tuple[str, ...], memoryview, dict[str, list[str | None]]]:
    """Return a table as an `Ask` holds it: number columns' names, their matrix, and texts.

    Args:
        table: The table.
        columns: Those that are wanted, as far as they are there; empty takes all. The numbers of
            a decoded request are sent as they lie, all of them.
    """
    if isinstance(table, Columns):
        layout = table.layout
        texts = zip(layout.texts, table.texts, strict=True)
        wanted = {name: values for name, values in texts if not columns or name in columns}
        return layout.numbers, _bytes_of(table.numbers), wanted
    names: list[str] = []
    numbers: list[Floats] = []
    texts_of: dict[str, list[str | None]] = {}
    for name in columns or table:
        values = table.get(name)
        if values is None:
            continue
        if values.dtype == np.float64:
            names.append(name)
            numbers.append(values)  # type: ignore[arg-type] # its dtype was looked at
        else:
            texts_of[name] = values.tolist()
    matrix = np.stack(numbers, axis=1) if numbers else np.zeros(0)
    return tuple(names), _bytes_of(matrix), texts_of


def _bytes_of(matrix: Floats) -> memoryview:
    if not matrix.size:  # a view of nothing cannot be cast
        return memoryview(b"")
    return np.ascontiguousarray(matrix).data.cast("B")


def join_table(ask: Ask) -> Columns:
    """Return the table that a question holds."""
    matrix = np.frombuffer(ask.matrix, dtype=np.float64).reshape(ask.rows, len(ask.numbers))
    layout = _layout(ask.numbers, tuple(ask.texts))
    return Columns(layout, matrix, tuple(ask.texts.values()))


@lru_cache(maxsize=8)
def _layout(numbers: tuple[str, ...], texts: tuple[str, ...]) -> Layout:
    """Return the same layout for the same names, by which an encoder knows where columns lie."""
    return Layout(numbers, texts)
