#!/usr/bin/env bash
# Runs the random histories in which a database crashes, is restored or fails over, so many times.
set -euo pipefail
cd "$(dirname "$0")/.."
ci/setup.sh
SECONDGATE_UPSETS=1 go test ./gateway -run '^TestUpsetHistory(MongoDB)?$' -count="${1:-3}" -v -timeout 60m
