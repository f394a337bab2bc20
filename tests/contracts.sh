#!/usr/bin/env bash
# Checks the contracts in proto/ with buf: style (STANDARD), and that nothing breaks those who were
# built against the last release (proto/baseline.binpb). See proto/README.md.
#   tests/contracts.sh              check
#   tests/contracts.sh baseline     make the present contracts the baseline; at a release only
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=1.75.0
TOOLS=target/tools

# buf: the one on the path if its version is right, else from PyPI into target/.
find_buf() {
  if [[ "$(buf --version 2>/dev/null)" == "$VERSION" ]]; then
    BUF=$(command -v buf)
    return
  fi
  BUF=$PWD/$TOOLS/bin/buf
  if [[ "$("$BUF" --version 2>/dev/null)" == "$VERSION" ]]; then
    return
  fi
  python3 -m venv "$TOOLS" && "$TOOLS/bin/pip" install --quiet "buf-bin==$VERSION"
}

if ! find_buf; then
  if [[ "${CI:-}" == true || "${1:-}" == baseline ]]; then
    echo "contracts: buf $VERSION cannot be had (needs python3-venv and PyPI)" >&2
    exit 1
  fi
  echo "SKIPPED: contracts are not checked (needs buf $VERSION, or python3-venv and PyPI)"
  exit 0
fi

cd proto
if [[ "${1:-}" == baseline ]]; then
  "$BUF" lint
  "$BUF" build --exclude-source-info --as-file-descriptor-set -o baseline.binpb
  echo "contracts: proto/baseline.binpb is now what stands in proto/"
  exit 0
fi
"$BUF" lint
"$BUF" breaking --against baseline.binpb
echo "contracts: style holds, and nothing breaks the baseline"
