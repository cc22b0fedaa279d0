#!/bin/bash
# AddressSanitizer and UndefinedBehaviorSanitizer: every test but the benchmarks and what compiles outside projects.
source "$(dirname "${BASH_SOURCE[0]}")/stage.sh"
build asan
run_tests asan asan -LE '^(benchmarks|package)$' -E '^ReadmeTest'
finish
