#!/usr/bin/env bash
# 24 writers on PostgreSQL until there are so many changes; readers are killed once for every hundred of them.
set -euo pipefail
cd "$(dirname "$0")/.."
ci/setup.sh
SECONDGATE_STRESS=${1:-50000} go test ./backends/postgres -run '^TestStress$' -count=1 -v -timeout 60m
