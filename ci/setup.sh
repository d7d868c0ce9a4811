#!/usr/bin/env bash
# Installs what the tests need on Debian (as root or with sudo); elsewhere it names what is missing.
set -euo pipefail
PATH=$PATH:/usr/sbin # nginx
declare -A package=([nginx]=nginx-light [sqlite3]=sqlite3 [gcc]=gcc [chromium]=chromium)
missing=()
for tool in "${!package[@]}"; do
  command -v "$tool" >/dev/null || missing+=("${package[$tool]}")
done
command -v go >/dev/null || { echo "missing: Go 1.26 or newer, https://go.dev/dl/" >&2; exit 1; }
[ ${#missing[@]} -eq 0 ] && exit 0

root=()
[ "$(id -u)" -eq 0 ] || root=(sudo -n)
if ! command -v apt-get >/dev/null || ! "${root[@]}" true 2>/dev/null; then
  echo "missing: ${missing[*]}: install them and run again (this script does so on Debian, as root or with sudo)" >&2
  exit 1
fi
"${root[@]}" apt-get update -q
# RUNLEVEL=1: what is installed must not start as a service.
"${root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -q -y --no-install-recommends "${missing[@]}"
