#!/bin/bash
# The README's first command, as a user runs it.
source "$(dirname "${BASH_SOURCE[0]}")/stage.sh"
step quickstart deploy/quickstart
finish
