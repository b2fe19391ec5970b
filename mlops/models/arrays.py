"""An array file: named arrays of plain numbers as `.npz`, the same bytes for the same arrays.

`numpy.load` opens what is written here. Reading is stricter than numpy's: no pickled objects, no
compression, no array longer than its member, so that no file can run code or eat memory.
"""

import io
import zipfile
from collections.abc import Mapping

import numpy as np
import numpy.lib.format as npy
import numpy.typing as npt

_DTYPES = frozenset(np.dtype(name) for name in ("<f8", "<i4", "<u8", "u1"))
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip member can have
_VERSION = (1, 0)


def dump_arrays(arrays: Mapping[str, npt.NDArray[np.generic]]) -> bytes:
    """Return the bytes of an array file.

    Args:
        arrays: One-dimensional arrays of float64, int32, uint64 or uint8, by name.

    Raises:
        ValueError: An array has another dtype or shape.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
        for name in sorted(arrays):
            array = arrays[name]
            if array.ndim != 1 or array.dtype not in _DTYPES:
                message = f"array {name!r} of {array.dtype}, {array.ndim} dimensions, is not plain"
                raise ValueError(message)
            member = io.BytesIO()
            npy.write_array(member, np.ascontiguousarray(array), _VERSION, allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
            info.create_system = 3  # otherwise it names the system that wrote it
            file.writestr(info, member.getvalue())
    return buffer.getvalue()


def load_arrays(content: bytes) -> dict[str, npt.NDArray[np.generic]]:
    """Return the arrays of an array file.

    Raises:
        ValueError: It is no array file, or not a plain one.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            members = file.infolist()
            names = [_name(info) for info in members]
            if len(set(names)) < len(names):
                message = "two members share a name"
                raise ValueError(message)
            return {name: _load(file, info) for name, info in zip(names, members, strict=True)}
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        message = f"not an array file: {error}"
        raise ValueError(message) from error


def _name(info: zipfile.ZipInfo) -> str:
    if not info.filename.endswith(".npy"):
        message = f"member {info.filename!r} is no array"
        raise ValueError(message)
    return info.filename.removesuffix(".npy")


def _load(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> npt.NDArray[np.generic]:
    if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
        message = f"member {info.filename!r} is compressed"
        raise ValueError(message)
    member = io.BytesIO(file.read(info))
    if npy.read_magic(member) != _VERSION:
        message = f"member {info.filename!r} has another version"
        raise ValueError(message)
    shape, _, dtype = npy.read_array_header_1_0(member)
    body = member.read()
    if dtype not in _DTYPES or len(shape) != 1 or shape[0] * dtype.itemsize != len(body):
        message = f"member {info.filename!r} is not a plain array of its size"
        raise ValueError(message)
    array: npt.NDArray[np.generic] = np.frombuffer(body, dtype)
    return array
