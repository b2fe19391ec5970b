"""A heuristics file: fitted heuristics as JSON and arrays, and back again."""

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, JsonValue, TypeAdapter

from mlops.base.digest import Json, canonical_json
from mlops.contracts.domain import Floats
from mlops.models.arrays import dump_arrays
from mlops.models.heuristics import FittedHeuristic, State


class _Entry(BaseModel):
    """One heuristic in `heuristics.json`; its arrays lie beside it under `name.`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    kind: str
    path: str
    facts: dict[str, JsonValue]


_ENTRIES = TypeAdapter(list[_Entry])


def dump_heuristics(heuristics: Mapping[str, FittedHeuristic]) -> tuple[bytes, bytes]:
    """Return the content of `heuristics.json` and `heuristics.npz`.

    Args:
        heuristics: Fitted heuristics by name, the one that serves first.
    """
    entries: list[Json] = []
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for name, fitted in heuristics.items():
        state = fitted.heuristic.state()
        entries.append(
            {"name": name, "kind": fitted.kind, "path": fitted.path, "facts": state.facts}
        )
        arrays |= {f"{name}.{key}": array for key, array in state.arrays.items()}
    return canonical_json(entries), dump_arrays(arrays)


def load_heuristics(
    content: bytes, arrays: Mapping[str, npt.NDArray[np.generic]], packages: Sequence[str] | None
) -> dict[str, FittedHeuristic]:
    """Read heuristics back, trusting nothing.

    Args:
        content: Of `heuristics.json`.
        arrays: Of `heuristics.npz`.
        packages: Where custom classes may come from; None leaves them unopened.

    Raises:
        ConfigError: A custom class is not allowed, does not exist, or is no heuristic.
        ValueError: They do not describe heuristics.
    """
    if any(array.dtype != np.float64 for array in arrays.values()):
        message = "a heuristic's array is not of float64"
        raise ValueError(message)
    entries = _ENTRIES.validate_json(content)
    names = [entry.name for entry in entries]
    if not names or len(set(names)) < len(names):
        message = "there is no heuristic, or two share a name"
        raise ValueError(message)
    found: dict[str, FittedHeuristic] = {}
    for entry in entries:
        own = {
            key.removeprefix(f"{entry.name}."): cast("Floats", array)
            for key, array in arrays.items()
            if key.startswith(f"{entry.name}.")
        }
        found[entry.name] = FittedHeuristic.restored(
            entry.kind, entry.path, State(entry.facts, own), packages=packages
        )
    if not {key.partition(".")[0] for key in arrays} <= set(names):
        message = "an array belongs to no heuristic"
        raise ValueError(message)
    return found
