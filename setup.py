"""The C kernels' build; everything else about the package stands in pyproject.toml."""

import sys

from setuptools import Extension, setup

# Trees must add up as scikit-learn's do, so the compiler may fuse or reorder nothing.
_EXACT = [] if sys.platform == "win32" else ["-O3", "-ffp-contract=off", "-Wall", "-Wextra"]

setup(
    ext_modules=[
        Extension(
            name,
            sources=[name.replace(".", "/") + ".c"],
            depends=["mlops/models/_sweep.h"] if name.endswith("_walk") else [],
            define_macros=[("Py_LIMITED_API", "0x030B0000")],
            extra_compile_args=_EXACT,
            libraries=[] if sys.platform == "win32" else ["m"],
            py_limited_api=True,
            optional=True,  # without a compiler numpy does the work
        )
        for name in ("mlops.contracts._rows", "mlops.models._walk", "mlops.proofs._search")
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},  # one wheel for all later Pythons
)
