#!/bin/bash
# Format, layers, SQL, sizes, wire contract: seconds, and nothing is built.
source "$(dirname "${BASH_SOURCE[0]}")/stage.sh"
output=$(tests/tools/check) || true
echo "$output"
read -r passed _ failed _ <<<"$(tail -1 <<<"$output")"
record "$passed" "$failed" "repository checks"
finish
