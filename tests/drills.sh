#!/usr/bin/env bash
# Drills with real processes on this machine: what is lost, and what must not be, when parts die.
#   tests/drills.sh [short|long] [NAME]...    short where nothing is said; all drills without a name
# Drills:
#   failover   the database's server is killed, its standby takes over (needs PostgreSQL)
#   tampering  stored state is changed at random; every change is found, or was none
set -euo pipefail
cd "$(dirname "$0")/.."

form=short
case ${1:-} in short | long) form=$1; shift ;; esac
# Sealing is unusably slow without optimisation.
cargo build --locked --release -p sunbid -p sunbid-tests --bins >&2
exec target/release/drills "$form" "$@"
