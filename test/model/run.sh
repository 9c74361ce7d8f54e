#!/bin/sh
# Checks SRCU twice, each time also that the faults put into it are found:
# - the sources under relacy (relacy/model.cc);
# - the algorithm, srcu.pml, with spin: two grace periods over one section for each reader (5 million states);
#   GRACE_PERIODS and SECTIONS in the environment make it larger, which takes minutes and gigabytes.
# Status 77, after the other one, where spin or relacy is not installed.
set -eu
cd "$(dirname "$0")"
missing=
if g++ -w -fsyntax-only -include relacy/relacy.hpp -x c++ /dev/null 2>/dev/null; then
  make -s -C relacy run
else
  missing=relacy-dev
fi
if ! command -v spin >/dev/null; then missing="$missing${missing:+, }spin"; fi
not_checked() {
  [ -z "$missing" ] && exit 0
  echo "model: not all was checked; packages missing: $missing"
  exit 77
}
command -v spin >/dev/null || not_checked
out=../../build/model
mkdir -p "$out"
model=$PWD/srcu.pml
cd "$out"

# verify NAME OPTIONS...: prints what spin says; 0 when no error was found.
verify() {
  name=$1
  shift
  mkdir -p "$name"
  (
    cd "$name"
    spin -a "$@" "$model" >/dev/null
    gcc -O2 -w -DSAFETY -DCOLLAPSE -DVECTORSZ=2048 -DMEMLIM=4000 -o pan pan.c
    ./pan -m1000000 -n >result
    grep -q 'max search depth too small\|out of memory\|memory limit' result && { cat result; exit 2; }
    awk -v name="$name" '/states, stored/ { states = $1 } /errors:/ { errors = $NF } END {
      printf "model: %s: %s states, %s error(s)\n", name, states, errors; exit errors != "0" }' result
  )
}

verify as-it-is "-DGRACE_PERIODS=${GRACE_PERIODS:-2}" "-DSECTIONS=${SECTIONS:-1}" || exit 1
for fault in NO_HEAVY_FENCE ONE_INDEX COUNTERS_FIRST LOCKS_FIRST NO_STAMPS; do
  if verify "$fault" "-D$fault" -DGRACE_PERIODS=2 -DSECTIONS=1; then
    echo "model: $fault was NOT found"
    exit 1
  fi
  # A freed object in use, not a model that got stuck.
  grep -q 'assertion violated' "$fault/result"
done
echo 'model: every fault was found'
not_checked
