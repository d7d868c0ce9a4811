#!/usr/bin/env bash
# Runs the genuine Autobahn test suite, which needs Python 2.7, against the gateway's WebSocket connection and compares
# with gateway/socket/testdata/autobahn.txt. make test runs the same case files on Python 3.
set -euo pipefail
cd "$(dirname "$0")/.."
python=""
for candidate in ${PYTHON27:-} python2.7 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/2.7.*/bin/python2.7; do
  if "$candidate" -m pip --version >/dev/null 2>&1; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
  echo "missing: Python 2.7 with pip, which the Autobahn test suite is written for: install it and name it in PYTHON27." >&2
  echo "The suite's case files also run on Python 3, as part of make test: go test ./gateway/socket -run Autobahn -v" >&2
  exit 1
fi
suite=${XDG_CACHE_HOME:-$HOME/.cache}/secondgate/autobahntestsuite-0.8.2
if [ ! -d "$suite" ]; then
  rm -rf "$suite.part"
  PIP_ROOT_USER_ACTION=ignore "$python" -m pip install --quiet --no-deps --requirement ci/autobahn.txt --target "$suite.part"
  mv "$suite.part" "$suite"
fi
PYTHON27=$python AUTOBAHN=$suite go test -tags autobahn ./gateway/socket -run '^TestAutobahnGenuine$' -count=1 -v
