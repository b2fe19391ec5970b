#!/bin/sh
# Makes the virtual environment from the lock. As root on Debian or Ubuntu it installs the system
# packages that are missing; otherwise it says which are.
set -eu

[ -n "${PYTHON:-}" ] || { echo "error: no python3.11, 3.12 or 3.13 on PATH" >&2; exit 2; }
version=$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
case "$version" in
    3.11 | 3.12 | 3.13) ;;
    *) echo "error: $PYTHON is Python $version; 3.11, 3.12 or 3.13 is needed" >&2; exit 2 ;;
esac

include=$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_paths()["include"])')
set -- cc gcc /usr/include/stdio.h libc6-dev "$include/Python.h" "python$version-dev" \
    prometheus prometheus
"$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || set -- "$@" "no venv" "python$version-venv"
sh tools/packages.sh "without gcc the slower numpy kernel runs; without prometheus the demo shows no alert" "$@"

echo "making $VENV with Python $version"
"$PYTHON" -m venv --clear "$VENV"
"$VENV/bin/pip" install -q --disable-pip-version-check --require-hashes -r requirements/uv.txt
"$VENV/bin/uv" pip sync -q --compile-bytecode --python "$VENV/bin/python" requirements/uv.txt requirements/dev.txt
"$VENV/bin/uv" pip install -q --python "$VENV/bin/python" --no-build-isolation --no-deps -e .
"$VENV/bin/python" -c 'from mlops.models.kernels import kernel_name; print("ready; the", kernel_name(), "kernel runs here")'
