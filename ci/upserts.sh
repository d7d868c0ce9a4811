#!/usr/bin/env bash
# 16 agents upsert one natural key at once, so many times, through two gateways of each database: one document each.
set -euo pipefail
cd "$(dirname "$0")/.."
ci/setup.sh
SECONDGATE_UPSERTS=${1:-1000} go test ./gateway -run '^TestUpsertRace$' -count=1 -v -timeout 60m
