"""A message: what a worker and the log's writer send each other over a socket pair.

A worker sends parcels of rows; the writer answers with the number of the last one that is durable.
The pair keeps message borders, so a worker killed half-way leaves whole parcels or nothing, and
the supervisor holds both ends, so what a killed process had not read is there for its successor.

A parcel is its head, then the rows as one MessagePack array. Its sender's incarnation is a number
that changes whenever numbering starts again: an answer to another incarnation means nothing.
"""

import socket
import struct
from typing import NamedTuple

import msgspec

from mlops.decision_log.row import Row

MOST_BYTES = 2**16
"""A parcel is sent once it has as many bytes; no row has more, so no parcel twice as many."""

_HEAD = struct.Struct("<cQQI")
_ARRAY = struct.Struct(">BI")
_ARRAY_32 = 0xDD  # MessagePack's array with a 32-bit length: rows can be appended one by one
_ANSWER = struct.Struct("<cQQ")
_ROWS, _DURABLE, _HELLO = b"R", b"D", b"H"
_BUFFER_BYTES = 2**20

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Row])


class Parcel(NamedTuple):
    """Rows as they came out of a socket.

    Attributes:
        incarnation: The sender's.
        number: The parcel's, ascending.
        held: Number of rows.
        rows: The rows, encoded.
    """

    incarnation: int
    number: int
    held: int
    rows: bytes


class Durable(NamedTuple):
    """The writer's word that all parcels up to a number survive."""

    incarnation: int
    number: int


class Hello(NamedTuple):
    """The word of a new writer, which does not know what the one before had read."""


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Return both ends of a connection, neither of which blocks: a worker's, the writer's."""
    pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in pair:
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
    return pair


def new_parcel() -> bytearray:
    """Return an empty parcel that rows can be appended to."""
    return bytearray(_HEAD.size + _ARRAY.size)


def append_row(parcel: bytearray, row: Row) -> None:
    """Append a row to a parcel; one that is too large keeps fewer of its candidates.

    Raises:
        UnicodeEncodeError: A text is no valid Unicode.
    """
    start = len(parcel)
    try:
        _encoder.encode_into(row, parcel, start)
    except Exception:
        del parcel[start:]
        raise
    while len(parcel) - start > MOST_BYTES:
        del parcel[start:]
        row = _halved(row)
        _encoder.encode_into(row, parcel, start)


def _halved(row: Row) -> Row:
    if not row.ids:  # then a text is huge, and its beginning has to do
        return msgspec.structs.replace(row, request_id=row.request_id[:1000])
    kept = len(row.ids) // 2
    return msgspec.structs.replace(row, ids=row.ids[:kept], scores=row.scores[: 8 * kept])


def seal(parcel: bytearray, *, incarnation: int, number: int, count: int) -> None:
    """Write a parcel's head, after which it can be sent; again to number it anew."""
    _HEAD.pack_into(parcel, 0, _ROWS, incarnation, number, count)
    _ARRAY.pack_into(parcel, _HEAD.size, _ARRAY_32, count)


def open_parcel(content: bytes) -> Parcel | None:
    """Return what a worker sent; None if it is no parcel."""
    if len(content) < _HEAD.size + _ARRAY.size:
        return None
    kind, incarnation, number, count = _HEAD.unpack_from(content)
    if kind != _ROWS:
        return None
    return Parcel(incarnation, number, count, content[_HEAD.size :])


def decode_rows(rows: bytes) -> list[Row]:
    """Return the rows of a parcel.

    Raises:
        msgspec.DecodeError: They are damaged or of another version.
    """
    return _decoder.decode(rows)


def row_count(rows: bytes) -> int:
    """Return how many rows a parcel says it has, even if they cannot be decoded."""
    return int.from_bytes(rows[1 : _ARRAY.size])


def encode_answer(answer: Durable | Hello) -> bytes:
    """Return a message of the writer."""
    if isinstance(answer, Hello):
        return _ANSWER.pack(_HELLO, 0, 0)
    return _ANSWER.pack(_DURABLE, *answer)


def decode_answer(content: bytes) -> Durable | Hello | None:
    """Return what the writer said; None if it is no answer."""
    if len(content) != _ANSWER.size:
        return None
    kind, incarnation, number = _ANSWER.unpack(content)
    if kind == _HELLO:
        return Hello()
    return Durable(incarnation, number) if kind == _DURABLE else None
