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
ci/coverage-access.sh
work=$(mktemp -d)
# The browser packages' tests use one core half of the time, so they run beside the others.
ci/web.sh >"$work/web" 2>&1 &
web=$!
trap 'kill $web 2>/dev/null || true; rm -r "$work"' EXIT
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
go build -o "$work/testsum" ./ci/testsum
status=0
passes | "$work/testsum" || status=$?
wait $web || status=$?
cat "$work/web"
exit $status
