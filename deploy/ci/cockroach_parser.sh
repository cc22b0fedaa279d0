# Every statement that CockroachDB would be sent (a test has collected them), given to CockroachDB's own parser. Sourced
# by unit.sh, after its tests. Without Go 1.24 it says that it was skipped, and counts nothing.

go_is_new_enough() {
  local version
  version=$(GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) || return 1
  [[ $version =~ ^go1\.([0-9]+) && ${BASH_REMATCH[1]} -ge 24 ]]
}

find_go() {
  local candidate
  for candidate in go /usr/local/go/bin/go /usr/lib/go-*/bin/go; do
    command -v "$candidate" >/dev/null && go_is_new_enough "$candidate" && { echo "$candidate"; return; }
  done
  return 1
}

build_cockroach_parser() {
  (cd "$root/tests/tools/cockroach_parser" && HOME=${HOME:-$root/build} CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS=-buildvcs=false \
    timeout 1200 "$1" build -o "$root/build/cockroach_parser" .)
}

parse_cockroach_statements() {
  local go
  if ! go=$(find_go); then
    echo "-- CockroachDB's parser: SKIPPED, there is no Go 1.24 or newer here"
    return 0
  fi
  step "CockroachDB's parser: built" build_cockroach_parser "$go"
  step "CockroachDB's parser: refuses what is planted" "$root/build/cockroach_parser" --self-test
  step "CockroachDB's parser: takes every statement" "$root/build/cockroach_parser" <"$root/build/release/cockroach_statements"
}
