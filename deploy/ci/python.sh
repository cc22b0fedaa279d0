# The official Python SDK, for the tests that run it as a peer. Sourced; prepare_python exports DBOS_TEST_PYTHON, the
# interpreter of a virtual environment with tests/peer/requirements.txt.

prepare_python() {
  local own=$root/build/python
  if ! cmp -s "$root/tests/peer/requirements.txt" "$own/installed.txt"; then
    rm -rf "$own"
    /usr/bin/python3 -m venv "$own" || return 1
    "$own/bin/pip" install --quiet --disable-pip-version-check \
      --requirement "$root/tests/peer/requirements.txt" || return 1
    cp "$root/tests/peer/requirements.txt" "$own/installed.txt"
  fi
  export DBOS_TEST_PYTHON=$own/bin/python
  echo "$("$DBOS_TEST_PYTHON" --version) with dbos $(sed -n 's/^dbos==//p' "$own/installed.txt") in $own"
}
