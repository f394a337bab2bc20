#!/usr/bin/env bash
# Coverage-guided fuzzing of every parser of bytes that come from outside. One line for each target:
# whether it held, executions, edges reached, corpus, crashes. What it says on the way, what it found
# and the inputs it grew stay under target/fuzz/.
#   tests/fuzz.sh [short|long|SECONDS] [TARGET]...   a minute each, an hour each, or so many seconds
#   tests/fuzz.sh merge FOLDER [TARGET]...           takes from FOLDER/TARGET into tests/fuzz/corpus/TARGET
#                                                    what reaches a branch that nothing there reaches
#   tests/fuzz.sh run TARGET FILE...                 runs inputs, such as a crash, once
# Targets run two at a time, or SUNBID_FUZZ_JOBS. Needs a C++ compiler: libFuzzer comes as source.
set -euo pipefail
cd "$(dirname "$0")/.."

targets=(envelope ceremony certificate proof bank request event disclosure text)
work=$PWD/target/fuzz
corpus=tests/fuzz/corpus
jobs=${SUNBID_FUZZ_JOBS:-2}

what=short seconds=60
case ${1:-} in
  short) shift ;;
  long) seconds=3600; shift ;;
  merge) what=merge folder=${2:?which folder}; shift 2 ;;
  run) what=run; shift; (($# > 1)) || { echo "fuzz: say which target and which files" >&2; exit 2; } ;;
  [1-9]*) seconds=$1; shift ;;
esac

if ! command -v c++ >/dev/null; then
  if [[ "${CI:-}" == true ]]; then
    echo "fuzz: a C++ compiler is missing, and CI may not skip this" >&2
    exit 1
  fi
  echo "SKIPPED: fuzzing needs a C++ compiler (Debian: g++)"
  exit 0
fi

if [[ $what != run ]] && (($#)); then
  for name; do
    [[ " ${targets[*]} " == *" $name "* ]] ||
      { echo "fuzz: there is no target $name; there are ${targets[*]}" >&2; exit 2; }
  done
  targets=("$@")
fi

# A target folder of its own, since the compiler is told more than usual; with the checks of arithmetic
# and the assertions of a debug build. This machine is named as the target, so that the wrapper can tell
# what is fuzzed from what cargo runs.
host=$(rustc -vV | sed -n 's/^host: //p')
RUSTC_WRAPPER=$PWD/tests/fuzz/rustc.sh CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_OPT_LEVEL=2 \
  cargo build --locked -p sunbid-fuzz --features engine --bin fuzz --target "$host" \
  --target-dir "$work/build" >&2
program=$work/build/$host/debug/fuzz
mkdir -p "$work/found"

# More memory or time than any input may take; memory is judged much closer by the program itself.
limits=(-rss_limit_mb=1024 -timeout=25 -detect_leaks=0)

if [[ $what == run ]]; then
  target=$1
  shift
  SUNBID_FUZZ_TARGET=$target exec "$program" "${limits[@]}" -artifact_prefix="$work/found/" "$@"
fi

if [[ $what == merge ]]; then
  for name in "${targets[@]}"; do
    mkdir -p "$corpus/$name"
    # What is there stays; of the rest, few and short inputs that reach the most.
    SUNBID_FUZZ_TARGET=$name "$program" "${limits[@]}" -merge=1 -set_cover_merge=1 -use_counters=0 \
      -max_len=1024 "$corpus/$name" "$folder/$name" 2>"$work/$name.merge.log"
    echo "$name: $(find "$corpus/$name" -type f | wc -l) inputs, $(du -sb "$corpus/$name" | cut -f1) bytes"
  done
  exit 0
fi

# The last number after a word in a file.
last() { { grep -aoE "$1[: ]+[0-9]+" "$2" || true; } | tail -1 | grep -oE '[0-9]+$' || echo 0; }

play() {
  local name=$1 log=$work/$1.log held=ok crashes=0 options=()
  # Each of its inputs verifies a whole tender: too few are tried for lengths to grow by themselves.
  [[ $name != disclosure ]] || options=(-len_control=0 -max_len=256)
  mkdir -p "$work/corpus/$name"
  SUNBID_FUZZ_TARGET=$name "$program" "${limits[@]}" "${options[@]}" -max_total_time="$seconds" \
    -print_final_stats=1 -artifact_prefix="$work/found/$name-" \
    "$work/corpus/$name" "$corpus/$name" 2>"$log" >&2 || { held="NOT OK"; crashes=1; }
  local executed edges inputs
  executed=$(last stat::number_of_executed_units "$log")
  edges=$(last cov "$log")
  inputs=$(last corp "$log")
  echo "$name: $held: $executed executions, $edges edges, corpus $inputs, crashes $crashes"
  if ((crashes)); then
    { grep -aE 'panicked|ERROR|Test unit written' -A1 "$log" || tail -5 "$log"; } >&2
    return 1
  fi
}

failed=0
running=0
for name in "${targets[@]}"; do
  if ((running == jobs)); then
    wait -n || failed=1
    running=$((running - 1))
  fi
  play "$name" &
  running=$((running + 1))
done
while ((running)); do
  wait -n || failed=1
  running=$((running - 1))
done
exit $failed
