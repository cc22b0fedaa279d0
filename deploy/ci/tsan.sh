#!/bin/bash
# ThreadSanitizer, with Clang 14 and its thread-safety analysis, over the places where threads meet: the client's
# runtime, the engine's loop, and the sidecar's doors with the real loop and store behind them.
source "$(dirname "${BASH_SOURCE[0]}")/stage.sh"
build tsan --target dbos_client_test loop_test rpc_test
run_tests clients tsan -L '^clients$'
run_tests loop tsan -R '^(EngineLoopTest|ProbeTest|TransactionPoolTest|PollerTest|SpinTest|SpinWaitTest|GroupsTest)\.'
# 140 MiB take longer here than a test may.
run_tests doors tsan -R '^(SessionTest|UnaryDoorTest|ServicesTest|HealthTest|OutboxTest|OneCallbackThreadTest|SessionTransactionsTest)\.' -E ManyLargeInputs
finish
