#!/usr/bin/env bash
# Checks the browser packages: types, tests against the real binary (ci/build.sh makes it) in Node and in Chromium,
# sizes. With an argument it also plants bugs, each of which a test must notice.
set -euo pipefail
cd "$(dirname "$0")/../web"
echo "== web: types, tests, sizes"
# vitest needs Node 20. Debian 12 has 18, with an npm that installs a newer one.
if [ "$(node -p 'parseInt(process.versions.node)')" -lt 20 ]; then
  node=${XDG_CACHE_HOME:-$HOME/.cache}/secondgate/node-24
  [ -x "$node/node_modules/node/bin/node" ] || npm install --silent --no-fund --no-audit --prefix "$node" node@24
  PATH=$node/node_modules/node/bin:$PATH
fi
[ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --loglevel=error
npx tsc -b packages/core packages/react packages/host packages/sdk
npx tsc -p e2e
node sdk.mjs --check
node demo/build.mjs --check
node explorer/build.mjs --check
npx tsc -p sdk.tsconfig.json
node node_modules/typescript-5.4/bin/tsc -p sdk.tsconfig.json # the oldest that apps may have
for package in packages/*; do npx publint run --strict "$package" | tail -n 1; done
node size.mjs
(cd .. && go build -o bin/database ./ci/database)
export SECONDGATE_BIN=$PWD/../bin/secondgate
export NO_COLOR=1
npx vitest run --reporter=dot
npx vitest run --config e2e/vitest.config.ts
[ $# -eq 0 ] || node planted.mjs
