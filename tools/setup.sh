#!/bin/sh
# Makes the virtual environment from the lock. As root on Debian or Ubuntu it installs the system
# packages that are missing; otherwise it says which are.
set -eu

need() { # command or file, package
    [ -e "$1" ] || command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}

[ -n "${PYTHON:-}" ] || { echo "error: no python3.11, 3.12 or 3.13 on PATH" >&2; exit 2; }
version=$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
case "$version" in
    3.11 | 3.12 | 3.13) ;;
    *) echo "error: $PYTHON is Python $version; 3.11, 3.12 or 3.13 is needed" >&2; exit 2 ;;
esac

missing=""
"$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python$version-venv"
need cc gcc
include=$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_paths()["include"])')
need "$include/Python.h" "python$version-dev"
need prometheus prometheus
need curl curl
need faketime faketime
set -- /usr/lib/postgresql/*/bin/postgres # Debian keeps it off PATH
command -v postgres >/dev/null 2>&1 || need "$1" postgresql
if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "installing system packages:$missing"
        export DEBIAN_FRONTEND=noninteractive
        log=$(mktemp)
        # Prometheus brings a service of its own; nothing of it may be started here.
        policy=""
        if [ ! -e /usr/sbin/policy-rc.d ]; then
            policy=/usr/sbin/policy-rc.d
            printf '#!/bin/sh\nexit 101\n' >"$policy"
            chmod +x "$policy"
        fi
        { apt-get update -q && apt-get install -y -q --no-install-recommends libc6-dev $missing; } \
            >"$log" 2>&1 || failed=1
        [ -z "$policy" ] || rm -f "$policy"
        if [ -n "${failed:-}" ]; then
            tail -n 5 "$log" >&2
            echo "warning: not all of these could be installed:$missing" >&2
        fi
        rm -f "$log"
    else
        echo "warning: missing system packages:$missing" >&2
        echo "         install them with: sudo apt-get install$missing" >&2
        echo "         (without gcc the slower numpy kernel runs; without prometheus the demo" >&2
        echo "         shows no alert and the tests that need it are skipped)" >&2
    fi
fi

echo "making $VENV with Python $version"
"$PYTHON" -m venv --clear "$VENV"
"$VENV/bin/pip" install -q --disable-pip-version-check --require-hashes -r requirements/uv.txt
"$VENV/bin/uv" pip sync -q --compile-bytecode --python "$VENV/bin/python" requirements/uv.txt requirements/dev.txt
"$VENV/bin/uv" pip install -q --python "$VENV/bin/python" --no-build-isolation --no-deps -e .
"$VENV/bin/python" -c 'from mlops.models.kernels import kernel_name; print("ready; the", kernel_name(), "kernel runs here")'
