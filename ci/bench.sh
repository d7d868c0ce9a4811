#!/usr/bin/env bash
# Measures beside the floors; see docs/performance.md for how to read it. Arguments go to cmd/bench.
set -euo pipefail
cd "$(dirname "$0")/.."
ci/build.sh
go run ./cmd/bench -over sqlite,postgres,mongodb "$@"
