#!/usr/bin/env bash
# The tests, from style to whole-platform runs. Needs what the build needs; what is checked with
# further tools is skipped, and says so, where they are missing (CI skips nothing).
#   tests/run.sh            everything
#   tests/run.sh quick      without formatting, lints, contracts and dependencies
#   tests/run.sh checks     only these
set -euo pipefail
cd "$(dirname "$0")/.."

what=${1:-all}
case $what in all | quick | checks) ;; *) echo "tests/run.sh [quick|checks]" >&2; exit 2 ;; esac
# One message a line reads better in a log than a bar that redraws itself.
[[ -t 1 ]] || export CARGO_TERM_PROGRESS_WHEN=never

step() {
  printf '\n== %s (%d:%02d since the start)\n' "$1" $((SECONDS / 60)) $((SECONDS % 60))
}

# Runs a cargo subcommand that not every toolchain has.
checked() {
  local tool=$1
  shift
  if cargo "$tool" --version >/dev/null 2>&1; then
    cargo "$tool" "$@"
  elif [[ "${CI:-}" == true ]]; then
    echo "cargo $tool is missing, and CI may not skip it" >&2
    exit 1
  else
    echo "SKIPPED: cargo $tool is not installed (rustup component add ${tool/fmt/rustfmt})"
  fi
}

if [[ $what != quick ]]; then
  step "formatting"
  checked fmt --all --check
  step "contracts"
  tests/contracts.sh
  step "dependencies"
  tests/deny.sh
  step "lints"
  checked clippy --workspace --all-targets --locked -- -D warnings
fi
if [[ $what != checks ]]; then
  step "the program under test"
  # With the tests, so that all is built once: with fewer packages, libraries get other features.
  cargo build --locked --workspace --bins --tests
  step "tests"
  SUNBID_TEST_PROVIDER=$(tests/provider.sh)
  export SUNBID_TEST_PROVIDER
  if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace --locked --no-fail-fast
  else
    cargo test --workspace --locked --no-fail-fast
  fi
  step "services over PostgreSQL"
  tests/postgres.sh
  step "drills, short form"
  # All but fuzzing, whose engine is built apart: tests/fuzz.sh. Its corpus is replayed by the tests.
  tests/drills.sh short failover objects outage permission tampering kill rush feed faults
fi
