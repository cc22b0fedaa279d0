#!/bin/bash
# The benchmarks, each for a moment: they build, run and print their figures. For numbers: ./tests/benchmarks/run.
source "$(dirname "${BASH_SOURCE[0]}")/stage.sh"
build release --target dbos-sidecar dbos-bench-bare dbos-bench-pipeline dbos-bench-load dbos-bench-stub \
  dbos-bench-transactions
run_tests benchmarks release -L '^benchmarks$' -j 1
finish
