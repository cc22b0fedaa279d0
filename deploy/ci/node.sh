# Node 20 or newer and the official SDKs, for the tests that run them as peers. Sourced; prepare_node puts `node` on the
# PATH and exports DBOS_TEST_PEER_DIR, the directory with the node_modules of tests/peer/package.json.

node_is_new_enough() {
  local version
  version=$(node --version 2>/dev/null) || return 1
  version=${version#v}
  [[ ${version%%.*} -ge 20 ]]
}

prepare_node() {
  local own=$root/build/node peer=$root/build/peer
  export PATH=$own/node_modules/node/bin:$PATH
  if ! node_is_new_enough || ! command -v npm >/dev/null; then
    command -v npm >/dev/null || "$root/deploy/ci/install.sh" node
    node_is_new_enough || npm install --prefix "$own" --no-fund --no-audit --loglevel=error node@22
    node_is_new_enough || { echo "no Node 20 or newer, and npm did not bring one" >&2; return 1; }
  fi
  mkdir -p "$peer"
  if ! cmp -s "$root/tests/peer/package.json" "$peer/installed.json"; then
    cp "$root/tests/peer/"package*.json "$peer/"
    npm install --prefix "$peer" --no-fund --no-audit --loglevel=error
    cp "$root/tests/peer/package.json" "$peer/installed.json"
  fi
  export DBOS_TEST_PEER_DIR=$peer
  echo "Node $(node --version), peers in $peer"
}
