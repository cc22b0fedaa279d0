#!/bin/bash
# ThreadSanitizer, with Clang 14 and its thread-safety analysis, over the two places where threads meet: the client's
# runtime, and the sidecar's doors with the real engine loop and store behind them.
source "$(dirname "${BASH_SOURCE[0]}")/stage.sh"
build tsan --target dbos_client_test rpc_test
run_tests clients tsan -L '^clients$'
# 140 MiB take longer here than a test may.
run_tests doors tsan -R '^(SessionTest|UnaryDoorTest|ServicesTest|HealthTest|OutboxTest)\.' -E ManyLargeInputs
finish
