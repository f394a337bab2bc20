#!/usr/bin/env bash
# Installs the OpenID Connect provider that tests sign in at (oauth2-mock-server, from npm) under target/, and
# prints its folder for SUNBID_TEST_PROVIDER; nothing, and a word of it, where it cannot be.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly VERSION=7.2.1
folder=$PWD/target/provider-$VERSION
if [[ -d $folder/node_modules/oauth2-mock-server ]]; then
  echo "$folder"
  exit
fi
if command -v npm >/dev/null && mkdir -p "$folder" &&
  npm install --prefix "$folder" --silent --no-audit --no-fund --ignore-scripts \
    "oauth2-mock-server@$VERSION" >&2; then
  echo "$folder"
  exit
fi
rm -rf "$folder"
if [[ "${CI:-}" == true ]]; then
  echo "provider: npm cannot install oauth2-mock-server, and CI may not skip its tests" >&2
  exit 1
fi
echo "SKIPPED: signing in at an OpenID Connect provider is not tested (needs npm)" >&2
