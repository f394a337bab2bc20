#!/usr/bin/env bash
# Every service's front-door tests once more, over PostgreSQL: on a throwaway server of their own, or
# on the one that SUNBID_TEST_POSTGRES names (postgres://USER@HOST[:PORT], a superuser without a
# password). Without PostgreSQL's programs it says that it was skipped; CI may not skip it.
#   tests/postgres.sh [-p PACKAGE...]    all services where none is named
set -euo pipefail
cd "$(dirname "$0")/.."
[[ -t 1 ]] || export CARGO_TERM_PROGRESS_WHEN=never

services=("$@")
((${#services[@]})) ||
  services=(-p sunbid-registry -p sunbid-tender -p sunbid-deposit -p sunbid-bid -p sunbid-opening)

if [[ -z "${SUNBID_TEST_POSTGRES:-}" ]]; then
  programs=$(dirname "$(readlink -f "$(compgen -G '/usr/lib/postgresql/*/bin/initdb' | tail -1 ||
    command -v initdb || true)")")
  if [[ ! -x "$programs/postgres" ]]; then
    if [[ "${CI:-}" == true ]]; then
      echo "PostgreSQL is missing, and CI may not skip it" >&2
      exit 1
    fi
    echo "SKIPPED: PostgreSQL is not installed"
    exit 0
  fi
  folder=$(mktemp -d /tmp/sunbid-pg-XXXXXX)
  as_user=()
  # PostgreSQL refuses to run as root.
  if ((EUID == 0)); then
    chown nobody:nogroup "$folder"
    as_user=(setpriv --reuid nobody --regid nogroup --clear-groups)
  fi
  server=
  ended() {
    if [[ -n $server ]]; then kill -INT "$server" && wait "$server" || true; fi
    rm -rf "$folder"
  }
  trap ended EXIT
  cd "$folder"
  "${as_user[@]}" "$programs/initdb" -U postgres -A trust -E UTF8 --locale=C --no-sync \
    -D "$folder/data" >/dev/null
  cd - >/dev/null
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  "${as_user[@]}" "$programs/postgres" -D "$folder/data" -k "" -c listen_addresses=127.0.0.1 \
    -c "port=$port" -c fsync=off -c max_connections=400 >"$folder/server.log" 2>&1 &
  server=$!
  for ((look = 0; look < 300; look++)); do
    "$programs/pg_isready" -q -h 127.0.0.1 -p "$port" && break
    sleep 0.1
  done
  export SUNBID_TEST_POSTGRES=postgres://postgres@127.0.0.1:$port
fi

export SUNBID_TEST_ENGINE=postgres
if cargo nextest --version >/dev/null 2>&1; then
  # The whole workspace is named and then narrowed, so that nothing is built with other features.
  filter=
  for word in "${services[@]}"; do
    [[ $word == -p ]] || filter+="${filter:+ + }package($word)"
  done
  cargo nextest run --locked --no-fail-fast --workspace -E "kind(test) & ($filter)"
else
  cargo test --locked --no-fail-fast "${services[@]}" --test '*'
fi
