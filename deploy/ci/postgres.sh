# A private PostgreSQL for one run of the tests: in a temporary directory, as an unprivileged user, on a Unix socket and
# a free port. Sourced; start_postgres exports DBOS_TEST_POSTGRES_URL. It dies with the shell that started it.

postgres_pid=
postgres_dir=

# PostgreSQL refuses to run as root. The package has made the user `postgres`; without it we make our own.
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
  local binaries try port
  binaries=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
  postgres_user=postgres
  if [[ $(id -u) == 0 ]] && ! id "$postgres_user" >/dev/null 2>&1; then
    postgres_user=dbos-test
    id "$postgres_user" >/dev/null 2>&1 || useradd --system --no-create-home "$postgres_user"
  fi
  postgres_dir=$(mktemp -d "${TMPDIR:-/tmp}/dbos-postgres.XXXXXX")
  [[ $(id -u) != 0 ]] || chown "$postgres_user" "$postgres_dir"
  (cd "$postgres_dir" && as_postgres "$binaries/initdb" -D "$postgres_dir/data" -U postgres -A trust -E UTF8 \
    --locale=C.UTF-8 --no-sync) >"$postgres_dir.log" 2>&1 || { cat "$postgres_dir.log" >&2; return 1; }
  cp -a "$postgres_dir/data" "$postgres_dir/pristine"
  for try in 1 2 3 4 5; do
    port=$(free_port)
    run_postgres "$binaries" "$port" && break
    [[ $try != 5 ]] || { cat "$postgres_dir.log" >&2; return 1; }
  done
  # Whoever names the directory without a port finds the server too.
  ln -sf ".s.PGSQL.$port" "$postgres_dir/.s.PGSQL.5432"
  export DBOS_TEST_POSTGRES_URL="postgresql://postgres@/postgres?host=$postgres_dir"
  # For tests that have a server of their own, to stop and kill it: programs, user, and a data directory to copy.
  export DBOS_TEST_POSTGRES_BINARIES=$binaries DBOS_TEST_POSTGRES_USER=$postgres_user
  export DBOS_TEST_POSTGRES_PRISTINE=$postgres_dir/pristine
  export DBOS_TEST_POSTGRES_TCP_URL="postgresql://postgres@127.0.0.1:$port/postgres"
  echo "PostgreSQL $(cat "$postgres_dir/data/PG_VERSION") runs in $postgres_dir, port $port"
}

# Another process may take the port in between; the caller tries again with another one. Without fsync, because each
# test makes its own database: what a crash of the whole machine leaves behind is PostgreSQL's matter, not ours.
run_postgres() {
  (cd "$postgres_dir" && as_postgres "$1/postgres" -D "$postgres_dir/data" -p "$2" -c listen_addresses=127.0.0.1 \
    -c unix_socket_directories="$postgres_dir" -c max_connections=200 -c fsync=off) >>"$postgres_dir.log" 2>&1 &
  postgres_pid=$!
  local deadline=$((SECONDS + 60))
  until "$1/pg_isready" -q -h "$postgres_dir" -p "$2"; do
    kill -0 "$postgres_pid" 2>/dev/null && ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

stop_postgres() {
  [[ -n $postgres_pid ]] || return 0
  kill -INT "$postgres_pid" 2>/dev/null || true
  wait "$postgres_pid" 2>/dev/null || true
  rm -rf "$postgres_dir" "$postgres_dir.log"
  postgres_pid=
}
