#!/usr/bin/env bash
# One random history of so many writes on SQLite, PostgreSQL, MongoDB and the model at once; every answer must be the same.
# SECONDGATE_DIFFERENTIAL_SEED=N is another history.
set -euo pipefail
cd "$(dirname "$0")/.."
ci/setup.sh
SECONDGATE_DIFFERENTIAL=${1:-100000} go test ./conformance/differential -run '^TestDifferential$' -count=1 -v -timeout 60m
