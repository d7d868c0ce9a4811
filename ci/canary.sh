#!/usr/bin/env bash
# 200 scopes with ids that look alike, so many changes, clients that come, go, resume and change rights: no byte of one
# scope on a connection of another, and no secret in what the gateway prints, answers or stores. Prints the counts.
set -euo pipefail
cd "$(dirname "$0")/.."
SECONDGATE_CANARY=${1:-100000} go test ./gateway -run '^TestCanary$' -count=1 -v -timeout 60m
go test ./cmd/secondgate -run '^TestSecretsAreNowhere$' -count=1 -v
