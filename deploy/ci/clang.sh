#!/bin/bash
# Clang 14 with the thread-safety analysis; warnings are errors.
source "$(dirname "${BASH_SOURCE[0]}")/stage.sh"
build clang
finish
