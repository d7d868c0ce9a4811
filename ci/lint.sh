#!/usr/bin/env bash
set -euo pipefail
cd "$(dirname "$0")/.."
echo "== gofmt, vet, staticcheck, mod tidy"
unformatted=$(gofmt -l $(git ls-files '*.go'))
[ -z "$unformatted" ] || { echo "gofmt these: $unformatted" >&2; exit 1; }
go vet ./...
go tool staticcheck ./...
go mod tidy -diff
