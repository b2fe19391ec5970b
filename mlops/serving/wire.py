"""A wire message: what the server and its model process say to each other over a socket pair.

Each message is four bytes of length, big-endian, and MessagePack. Both ends are of one version
and one machine, so arrays travel as their float64 bytes.
"""

import struct

import msgspec
import numpy as np

from mlops.contracts.domain import Floats, Table, Texts

LENGTH = struct.Struct(">I")


class Ask(msgspec.Struct, array_like=True, gc=False):
    """A page of candidates to score.

    Attributes:
        ask_id: Names the question in its answer.
        deadline: Monotonic seconds, which all processes of a machine share, after which nobody
            waits for the answer any more.
        fault: Kind of the fault to play, `none` outside drills.
        fault_ms: The fault's amount.
        rows: Number of candidates.
        numbers: float64 columns as bytes.
        texts: Category columns.
    """

    ask_id: int
    deadline: float
    fault: str
    fault_ms: int
    rows: int
    numbers: dict[str, bytes]
    texts: dict[str, list[str | None]]


class Answer(msgspec.Struct, array_like=True, gc=False):
    """What the model process says; `ask_id` 0 is its first word, that it is ready.

    Attributes:
        ask_id: Which question this answers.
        scores: float64 bytes, one score a candidate; empty with an error.
        seconds: Time that the model took.
        error: What went wrong; empty if nothing did.
    """

    ask_id: int
    scores: bytes = b""
    seconds: float = 0.0
    error: str = ""


_encoder = msgspec.msgpack.Encoder()
_ask_decoder = msgspec.msgpack.Decoder(Ask)
_answer_decoder = msgspec.msgpack.Decoder(Answer)


def pack(message: Ask | Answer) -> bytes:
    """Return a message with its length before it."""
    payload = _encoder.encode(message)
    return LENGTH.pack(len(payload)) + payload


def unpack_ask(payload: bytes) -> Ask:
    """Return a question; raises msgspec.DecodeError if it is none."""
    return _ask_decoder.decode(payload)


def unpack_answer(payload: bytes) -> Answer:
    """Return an answer; raises msgspec.DecodeError if it is none."""
    return _answer_decoder.decode(payload)


def split_table(table: Table) -> tuple[dict[str, bytes], dict[str, list[str | None]]]:
    """Return a table's number columns as bytes and its category columns as lists."""
    numbers: dict[str, bytes] = {}
    texts: dict[str, list[str | None]] = {}
    for name, values in table.items():
        if values.dtype == np.float64:
            numbers[name] = values.tobytes()
        else:
            texts[name] = values.tolist()
    return numbers, texts


def join_table(ask: Ask) -> Table:
    """Return the table that a question holds."""
    table: dict[str, Floats | Texts] = {
        name: np.frombuffer(content, dtype=np.float64) for name, content in ask.numbers.items()
    }
    for name, texts in ask.texts.items():
        column = np.empty(len(texts), dtype=object)
        column[:] = texts
        table[name] = column
    return table
