#!/usr/bin/env bash
# Drills with real processes on this machine: what is lost, and what must not be, when parts die.
#   tests/drills.sh [short|long] [NAME]...    short where nothing is said; all drills without a name
# Drills:
#   kill       any process is killed at any moment under a storm of submissions (needs PostgreSQL);
#              SUNBID_KILLS and SUNBID_KILLS_APART say how often
#   rush       very many bids in a tender's last seconds; SUNBID_RUSH_BIDS and SUNBID_RUSH_SECONDS
#              say how many in how many
#   feed       ten writers; whether any follower missed a record (needs PostgreSQL)
#   faults     full disk, slow, silent and restarted database, network cuts, jumping clocks
#   permission hostile calls of every kind: none succeeds, none reveals what exists
#   failover   the database's server is killed, its standby takes over (needs PostgreSQL)
#   outage     the platform goes away around deadlines, which move by rule, with notices (needs Python)
#   fuzz       made-up bytes for every parser, a minute or an hour each (needs a C++ compiler)
#   objects    the object store of payloads and documents is killed, then loses and changes some of them
#   tampering  stored state is changed at random; every change is found, or was none
set -euo pipefail
cd "$(dirname "$0")/.."

form=short
case ${1:-} in short | long) form=$1; shift ;; esac
# The short form is played by what the tests have built; the long one measures, so it is optimised.
if [[ $form == short ]]; then
  cargo build --locked --workspace --bins >&2
  exec target/debug/drills "$form" "$@"
fi
cargo build --locked --release -p sunbid -p sunbid-tests --bins >&2
exec target/release/drills "$form" "$@"
