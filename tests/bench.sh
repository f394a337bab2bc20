#!/usr/bin/env bash
# Runs the benchmarks and the load driver, and prints one table: name, value, unit, ratio, against
# what - the peer measured in the same run. Progress goes to standard error.
#   tests/bench.sh                       all, for people
#   tests/bench.sh --markdown            all, as the table of the README
#   tests/bench.sh [--markdown] NAME...  some: journal, postgres, reads, sealing, load
# Peers `age` and `openssl` are measured where they are installed; postgres needs PostgreSQL with
# pgbench. Data go under
# $SUNBID_BENCH_DIR or target/: it must be a real disk.
set -euo pipefail
cd "$(dirname "$0")/.."

form=people
if [[ "${1:-}" == --markdown ]]; then
  form=markdown
  shift
fi
(($#)) || set -- journal postgres reads sealing load

folder=${SUNBID_BENCH_DIR:-$PWD/target/tmp}
mkdir -p "$folder"
lines=$(mktemp)
trap 'rm -f "$lines"' EXIT

# Every benchmark prints lines of five fields, parted by tabs; whatever else it says is progress.
measure() {
  case $1 in
    journal) cargo bench --locked -p sunbid-journal --bench journal ;;
    postgres) cargo bench --locked -p sunbid-journal --bench postgres ;;
    reads) cargo bench --locked -p sunbid-journal --bench reads ;;
    sealing)
      cargo bench --locked -p sunbid-sealing --bench sealing
      TMPDIR=$folder cargo bench --locked -p sunbid-sealing --bench peers ;;
    load)
      cargo build --locked --release -p sunbid -p sunbid-tests --bins >&2
      TMPDIR=$folder target/release/load bench ;;
    *) echo "bench: there is no $1; there are journal, postgres, reads, sealing and load" >&2; return 2 ;;
  esac
}

for name in "$@"; do
  echo "== $name (${SECONDS} s since the start)" >&2
  output=$(measure "$name")
  awk -F'\t' 'NF == 5' <<<"$output" >"$lines.new"
  awk -F'\t' 'NF != 5 && NF' <<<"$output" >&2
  if [[ ! -s "$lines.new" ]]; then
    echo "bench: $name measured nothing" >&2
    rm -f "$lines.new"
    exit 1
  fi
  cat "$lines.new" >>"$lines"
  rm -f "$lines.new"
done

awk -F'\t' -v form="$form" '
  BEGIN { split("name value unit ratio against", head, " ")
          for (f = 1; f <= 5; f++) width[f] = length(head[f]) }
  { for (f = 1; f <= 5; f++) { cell[NR, f] = $f
      if (length($f) > width[f]) width[f] = length($f) } }
  # Numbers are aligned to the right.
  function padded(text, f) { return sprintf((f == 2 || f == 4 ? "%" : "%-") width[f] "s", text) }
  END {
    for (row = 0; row <= NR; row++) {
      line = ""
      for (f = 1; f <= 5; f++) {
        text = padded(row ? cell[row, f] : head[f], f)
        line = line (form == "markdown" ? "| " text " " : text "  ")
      }
      if (form == "markdown") line = line "|"
      else sub(/ +$/, "", line)
      print line
      if (row == 0 && form == "markdown") print "|---|---:|---|---:|---|"
    }
  }' "$lines"
