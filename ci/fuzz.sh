#!/usr/bin/env bash
# Fuzzes each decoder, and the configuration, for FUZZTIME (default 1m). make test replays the seeds and
# what was found before.
set -euo pipefail
cd "$(dirname "$0")/.."
for target in FuzzCanonical FuzzDecodeRequest FuzzDecodeCursor; do
  go test ./protocol -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-1m}"
done
go test ./cmd/secondgate -run '^$' -fuzz '^FuzzConfigurationShowsNoSecret$' -fuzztime "${FUZZTIME:-1m}"
