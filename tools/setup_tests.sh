#!/bin/sh
# Installs the system packages that only the tests start: databases, clocks, browsers.
set -eu

set -- /usr/lib/postgresql/*/bin/postgres # Debian keeps it off PATH
postgres=$1
sh tools/packages.sh "the tests that start them are skipped" \
    curl curl faketime faketime "$postgres" postgresql prometheus prometheus \
    prometheus-alertmanager prometheus-alertmanager chromium chromium
