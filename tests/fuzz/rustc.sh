#!/usr/bin/env bash
# The compiler as cargo calls it when the fuzzer is built (RUSTC_WRAPPER): in our own crates and in the
# parsers that they rest on, every branch reports that an input took it, and every comparison what it
# compared. The rest (servers, databases, arithmetic) is built as always: what it does says nothing
# about a parser and would only slow the search. What cargo itself runs while it builds (build scripts,
# macros) is compiled without --target, and must stay as it is: nothing there counts branches.
set -euo pipefail
compiler=$1
shift
name='' target=''
for ((at = 1; at < $#; at++)); do
  next=$((at + 1))
  case ${!at} in
    --crate-name) name=${!next} ;;
    --target) target=${!next} ;;
  esac
done
[[ -n $target ]] || exec "$compiler" "$@"
case $name in
  sunbid_* | fuzz | asn1_rs | base64 | der_parser | hex | http | nom | prost | quick_xml | \
    rustls_pki_types | uuid | webpki | x509_parser)
    set -- "$@" -Cpasses=sancov-module \
      -Cllvm-args=-sanitizer-coverage-level=4 \
      -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
      -Cllvm-args=-sanitizer-coverage-pc-table \
      -Cllvm-args=-sanitizer-coverage-trace-compares \
      -Ccodegen-units=1
    ;;
esac
exec "$compiler" "$@"
