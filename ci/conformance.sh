#!/usr/bin/env bash
# Holds a gateway to the protocol's rules: the one at $URL, or one that is built and started over a file of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
ci/build.sh
if [ -n "${URL:-}" ]; then
  exec bin/secondgate conformance --url "$URL" "$@"
fi
dir=$(mktemp -d)
bin/secondgate serve --listen 127.0.0.1:0 --admin "" --heartbeat 1s --backend "sqlite:$dir/conformance.db" >"$dir/out" 2>"$dir/log" &
gateway=$!
trap 'kill $gateway; wait $gateway || true; rm -r "$dir"' EXIT
until grep -q ' on http://' "$dir/out"; do
  kill -0 $gateway || { cat "$dir/log" >&2; exit 2; }
  sleep 0.1
done
bin/secondgate conformance --url "$(sed -n 's/.* on \(http:[^ ]*\).*/\1/p' "$dir/out")" "$@"
