#!/usr/bin/env bash
# Prints how much of gateway/access its own tests carry out, and fails below all of it. Go counts blocks of
# statements: every branch of if, switch and select is one, the halves of && and || are not. Those are held by
# the planted bugs of gateway/access/planted_test.go.
set -euo pipefail
cd "$(dirname "$0")/.."
profile=$(mktemp)
trap 'rm "$profile"' EXIT
go test -skip TestPlantedBugs -coverprofile "$profile" ./gateway/access >&2
# A block is: file:from,to statements times.
awk 'NR > 1 && $2 > 0 { blocks++; if ($3 > 0) done++; else print "never run: " $1 }
  END { printf "gateway/access: %d of %d branches are run: %.1f %%\n", done, blocks, 100 * done / blocks; exit done < blocks }' "$profile"
