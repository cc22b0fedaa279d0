# Node 20 or newer and the official SDKs, for the tests that run them as peers. Sourced; prepare_node puts `node` on the
# PATH and exports DBOS_TEST_PEER_DIR, the directory with the node_modules of tests/peer/package.json, and
# DBOS_TEST_DATASOURCE_PEER_DIR, that of tests/peer/datasource/package.json.

node_is_new_enough() {
  local version
  version=$(node --version 2>/dev/null) || return 1
  version=${version#v}
  [[ ${version%%.*} -ge 20 ]]
}

# install_peer SOURCE DIRECTORY: installs what SOURCE/package.json asks for, unless that very file was installed there.
install_peer() {
  mkdir -p "$2"
  cmp -s "$1/package.json" "$2/installed.json" && return
  cp "$1/"package*.json "$2/"
  npm install --prefix "$2" --no-fund --no-audit --loglevel=error || return 1
  cp "$1/package.json" "$2/installed.json"
}

prepare_node() {
  local own=$root/build/node peer=$root/build/peer
  export PATH=$own/node_modules/node/bin:$PATH
  if ! node_is_new_enough || ! command -v npm >/dev/null; then
    command -v npm >/dev/null || "$root/deploy/ci/install.sh" node
    node_is_new_enough || npm install --prefix "$own" --no-fund --no-audit --loglevel=error node@22
    node_is_new_enough || { echo "no Node 20 or newer, and npm did not bring one" >&2; return 1; }
  fi
  install_peer "$root/tests/peer" "$peer" || return 1
  install_peer "$root/tests/peer/datasource" "$peer-datasource" || return 1
  export DBOS_TEST_PEER_DIR=$peer DBOS_TEST_DATASOURCE_PEER_DIR=$peer-datasource
  echo "Node $(node --version), peers in $peer and $peer-datasource"
}
