#!/usr/bin/env bash
# kill -9 in the middle of 32 writers, so many times: crash.sh 100 TestCrash
set -euo pipefail
cd "$(dirname "$0")/.."
ci/setup.sh
SECONDGATE_CRASHES=${1:-100} go test ./cmd/secondgate -run "^${2:-TestCrash}$" -count=1 -v -timeout 60m
