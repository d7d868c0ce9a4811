#!/usr/bin/env bash
# Imports point down only (docs/design.md). The binary links no test package.
set -euo pipefail
cd "$(dirname "$0")/.."
echo "== layers"
root=github.com/secondgate/secondgate
bad=0
# only PACKAGE ALLOWED...: of this module, PACKAGE may import the ALLOWED ones (regular expressions) alone.
only() {
  local package=$1; shift
  local allowed; allowed=$(IFS='|'; echo "$*")
  while read -r import; do
    if ! [[ ${import#"$root"/} =~ ^($allowed)$ ]]; then
      echo "$package must not import ${import#"$root"/}" >&2; bad=1
    fi
  done < <(go list -f '{{range .Imports}}{{println .}}{{end}}' "./$package" | grep "^$root/" || true)
}
only protocol 'none'
only backends protocol
only backends/driverkit protocol backends
for driver in $(cd backends && ls -d */ | grep -v driverkit); do
  driver=${driver%/}
  only "backends/$driver" protocol backends backends/driverkit
done
only conformance/rule 'none'
only conformance/vectors protocol
only conformance/client protocol
only conformance/wire protocol conformance/rule conformance/vectors conformance/client
only conformance protocol backends conformance/rule conformance/vectors
only conformance/history protocol backends conformance conformance/client
only conformance/differential 'none' # its tests alone know all databases
only conformance/server conformance/rule
only conformance/planted conformance/rule conformance/server
# The gateway: hub < sender, store < doors < gateway. A door imports no other door, and backends for its nouns only: that no
# door gets hold of a Backend is gateway/layers_test.go's.
below='gateway/(retry|limits|metrics|access|audit|socket)'
only gateway/socket 'none'
only gateway/retry protocol
only gateway/limits 'none'
only gateway/metrics protocol
only gateway/access protocol backends
only gateway/audit protocol backends
only gateway/hub protocol backends "$below"
only gateway/sender gateway/hub
only gateway/store protocol backends gateway/hub "$below"
only gateway/door protocol gateway/hub gateway/store "$below"
only gateway/ws protocol backends 'gateway/(hub|store|sender|door|runs)' "$below"
for door in sse rest proxy; do
  only "gateway/$door" protocol backends 'gateway/(hub|store|sender|door)' "$below"
done
only gateway/approvals protocol backends 'gateway/(access|audit|store)'
only gateway/runs protocol backends 'gateway/(approvals|store)' "$below"
only gateway/mcp protocol backends 'gateway/(approvals|door|store)' "$below"
only gateway/agents protocol backends 'gateway/(approvals|runs|door|store)' "$below"
only gateway protocol backends docs/api 'gateway/.*'
only docs/api 'none'
only web 'none'
if go list -deps ./cmd/secondgate | grep -Ex 'testing|github.com/stretchr/testify.*|go.uber.org/goleak'; then
  echo "the binary links test packages" >&2; bad=1
fi
# Of the rules, the binary links those for the wire: `secondgate conformance` holds a URL to them.
if go list -deps ./cmd/secondgate | grep -E "^$root/conformance" | grep -Evx "$root/conformance/(rule|vectors|client|wire)"; then
  echo "the binary links rules that it cannot run" >&2; bad=1
fi
exit $bad
