#!/bin/bash
# AddressSanitizer and UndefinedBehaviorSanitizer: every test but the benchmarks, what compiles outside
# projects, and a bound on memory, of which the sanitizer takes some for itself.
source "$(dirname "${BASH_SOURCE[0]}")/stage.sh"
build asan
run_tests asan asan -LE '^(benchmarks|package)$' -E '^ReadmeTest|WhatWaitsForThemIsBounded'
finish
