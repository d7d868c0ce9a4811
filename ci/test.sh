#!/usr/bin/env bash
# Sets up, then runs every check and every test. Nothing is skipped: what is missing fails the run.
set -euo pipefail
export PATH=$PATH:/usr/sbin # nginx, pgbouncer
cd "$(dirname "$0")/.."
ci/setup.sh
ci/lint.sh
ci/layers.sh
ci/build.sh
echo "== tests"
go test -timeout 20m ./...
echo "== tests with the race detector (SQLite-heavy suites in a short form: it is 16 times slower there)"
go test -race -short -timeout 20m ./...
echo "== tests of what clients get, with --plain-sockets, in the same two forms"
export SECONDGATE_PLAIN_SOCKETS=true
go test -timeout 20m -run 'Rules|TestHistory(Model|SQLite)$' ./gateway ./conformance/wire
go test -race -short -timeout 20m ./gateway/... ./conformance/wire ./cmd/secondgate
