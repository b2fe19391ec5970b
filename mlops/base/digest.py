"""A digest: the name of some content, `sha256:` and 64 hexadecimal digits."""

import hashlib
import json
from pathlib import Path
from typing import NewType, TypeAlias

Digest = NewType("Digest", str)

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


def of_bytes(content: bytes) -> Digest:
    """Return the digest of some bytes.

    >>> of_bytes(b"")[:14]
    'sha256:e3b0c44'
    """
    return Digest("sha256:" + hashlib.sha256(content).hexdigest())


def of_file(path: Path) -> Digest:
    """Return the digest of a file's bytes, read in chunks.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        return Digest("sha256:" + hashlib.file_digest(file, "sha256").hexdigest())


def canonical_json(value: Json) -> bytes:
    r"""Return the one JSON text of a value: sorted keys, no spaces, UTF-8, no NaN.

    Raises:
        ValueError: The value holds NaN or an infinity, which JSON has no word for.

    >>> canonical_json({"b": 1, "a": [1.5, None]})
    b'{"a":[1.5,null],"b":1}'
    """
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def of_json(value: Json) -> Digest:
    """Return the digest of a value's canonical JSON."""
    return of_bytes(canonical_json(value))
