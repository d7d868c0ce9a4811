#!/usr/bin/env bash
# Builds and serves on SQLite. PORT and DB choose another address and file.
set -euo pipefail
cd "$(dirname "$0")/.."
ci/build.sh
exec bin/secondgate serve --listen "127.0.0.1:${PORT:-8080}" --backend "sqlite:${DB:-./data/secondgate.db}"
