#!/bin/bash
# AddressSanitizer and UndefinedBehaviorSanitizer: every test but the benchmarks, what compiles outside projects, a bound
# on memory, of which the sanitizer takes some for itself, and a host name, whose libnss-wrapper it does not bear.
source "$(dirname "${BASH_SOURCE[0]}")/stage.sh"
build asan
run_tests asan asan -LE '^(benchmarks|package)$' -E '^ReadmeTest|WhatWaitsForThemIsBounded|^HostNameTest'
finish
