#!/bin/bash
# The client as outside projects see it: installed, then found by CMake and by pkg-config.
source "$(dirname "${BASH_SOURCE[0]}")/stage.sh"
build release
run_tests package release -L '^package$'
finish
