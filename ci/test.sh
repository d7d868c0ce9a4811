#!/usr/bin/env bash
# Sets up, then runs every check and every test, and lists the slowest. Nothing is skipped: what is missing fails the run.
# What differs between the fast and the plain way of writing to clients is tested in both within each pass.
set -euo pipefail
export PATH=$PATH:/usr/sbin # nginx, pgbouncer
cd "$(dirname "$0")/.."
ci/setup.sh
ci/lint.sh
ci/layers.sh
ci/build.sh
ci/web.sh
ci/coverage-access.sh
# Most tests wait for a clock, a process or a database, not for a core: more of them run at once than there are cores.
# lint.sh has vetted all. The longest package goes first: nothing else would run beside its end.
at_once=(-vet off -parallel "$((2 * $(nproc)))")
passes() {
  local status=0
  echo "== tests"
  go test -json -timeout 20m "${at_once[@]}" ./gateway ./... || status=$?
  echo "== race: with the race detector, SQLite-heavy suites in a short form, for it is 16 times slower there"
  go test -json -race -short -timeout 20m "${at_once[@]}" ./gateway ./... || status=$?
  return $status
}
summary=$(mktemp)
trap 'rm "$summary"' EXIT
go build -o "$summary" ./ci/testsum
passes | "$summary"
