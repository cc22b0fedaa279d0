# What the stages of this directory share. A stage is a script that ./tests/run calls; it sources this file, records
# results with `step` and `run_tests`, and ends with `finish`.
#
# Results go to the file DBOS_RESULTS, one line each: passed, failed, name.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
export NINJA_STATUS='[%f/%t, %es] '
: "${DBOS_RESULTS:=/dev/null}"
jobs=$(nproc)
failures=0

record() {
  echo "$1 $2 $3" >>"$DBOS_RESULTS"
  echo "-- $3: $1 passed, $2 failed"
  failures=$((failures + $2))
}

# step NAME COMMAND...: one result. Ends the stage when it fails: what follows depends on it.
step() {
  local name=$1
  shift
  if "$@"; then
    record 1 0 "$name"
  else
    record 0 1 "$name"
    finish
  fi
}

configure_and_build() {
  local preset=$1
  shift
  cmake --preset "$preset" -DDBOS_BUILD_TESTS=ON >"$root/build/configure-$preset.log" 2>&1 ||
    { cat "$root/build/configure-$preset.log"; return 1; }
  cmake --build --preset "$preset" -j "$jobs" "$@"
}

# build PRESET [--target name...]
build() {
  mkdir -p "$root/build"
  step "build $1" configure_and_build "$@"
}

# Many tests wait for processes and time-outs, so there is one more of them than there are processors.
# run_tests NAME PRESET CTEST-ARGUMENTS...: counts every test that ran; one that was skipped counts as failed.
run_tests() {
  local name=$1 preset=$2 junit counts
  shift 2
  junit=$root/build/$preset/results-$name.xml
  rm -f "$junit"
  ctest --preset "$preset" --output-junit "$junit" -j "$((jobs + 1))" "$@" || true
  counts=$(python3 "$root/deploy/ci/count_tests.py" "$junit") || counts="0 1"
  record $counts "$name tests ($preset)"
}

finish() {
  ((failures == 0)) && exit 0
  exit 1
}
