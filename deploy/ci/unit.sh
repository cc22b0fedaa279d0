#!/bin/bash
# Everything that runs inside one process, and the conformance suite over every database and both doors.
source "$(dirname "${BASH_SOURCE[0]}")/stage.sh"
source deploy/ci/cockroach_parser.sh
build release
run_tests unit release -LE '^(conformance|e2e|package|benchmarks)$'
run_tests conformance release -L '^conformance$'
parse_cockroach_statements
finish
