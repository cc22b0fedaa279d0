#!/bin/bash
# ThreadSanitizer, with Clang 14 and its thread-safety analysis: every test but the benchmarks and what compiles outside projects.
source "$(dirname "${BASH_SOURCE[0]}")/stage.sh"
build tsan
run_tests tsan tsan -LE '^(benchmarks|package)$' -E '^ReadmeTest'
finish
