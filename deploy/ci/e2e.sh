#!/bin/bash
# Real processes: killed, paused, cut off from their database, beside the official SDKs.
source "$(dirname "${BASH_SOURCE[0]}")/stage.sh"
build release
run_tests e2e release -L '^e2e$'
finish
