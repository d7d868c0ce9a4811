#!/usr/bin/env bash
# 12 writers on MongoDB while lists and what follows them are compared so many times.
set -euo pipefail
cd "$(dirname "$0")/.."
ci/setup.sh
SECONDGATE_REPLAYS=${1:-5000} go test ./backends/mongodb -run '^TestReplays$' -count=1 -v -timeout 60m
