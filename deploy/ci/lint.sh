#!/bin/bash
# clang-tidy 14 over what changed last, for 150 s; with the compile commands and generated headers of the asan build.
source "$(dirname "${BASH_SOURCE[0]}")/stage.sh"
lint() { configure_and_build asan --target dbos_proto && tests/tools/lint.py --seconds 150; }
mkdir -p build
step lint lint
finish
