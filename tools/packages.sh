#!/bin/sh
# Installs the system packages that are missing, as root on Debian or Ubuntu; otherwise it says
# which are and how to install them, and goes on.
# Arguments: why they are wanted, then for each a command or file and the package that has it.
set -eu

why=$1
shift
missing=""
while [ $# -gt 1 ]; do
    [ -e "$1" ] || command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
    shift 2
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "warning: missing system packages:$missing" >&2
    echo "         install them with: sudo apt-get install$missing" >&2
    echo "         ($why)" >&2
    exit 0
fi
echo "installing system packages:$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
# Some bring a service of their own; nothing of it may be started here.
policy=""
if [ ! -e /usr/sbin/policy-rc.d ]; then
    policy=/usr/sbin/policy-rc.d
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
fi
failed=""
# shellcheck disable=SC2086 # the list is meant to be split
{ apt-get update -q && apt-get install -y -q --no-install-recommends $missing; } >"$log" 2>&1 || failed=1
[ -z "$policy" ] || rm -f "$policy"
if [ -n "$failed" ]; then
    tail -n 5 "$log" >&2
    echo "warning: not all of these could be installed:$missing" >&2
    echo "         ($why)" >&2
fi
rm -f "$log"
