"""A PostgreSQL of our own, with full durability, on the local disk; and psql as the way to look into it."""
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile
import time

# The settings of the reference measurements. Durability is never relaxed.
SETTINGS = {
    "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "wal_sync_method": "fdatasync",
    "shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "15min", "max_connections": "200",
    "wal_level": "replica", "jit": "on", "commit_delay": "0", "listen_addresses": "",
    "shared_preload_libraries": "pg_stat_statements", "track_io_timing": "on",
}


def programs() -> pathlib.Path:
    """The newest installed server's programs."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    if not found:
        raise SystemExit("tests/benchmarks/run: no PostgreSQL server; install the package `postgresql`")
    return found[-1]


class Psql:
    """One psql that stays connected: a query in, the lines of its answer out."""

    def __init__(self, url: str):
        self._process = subprocess.Popen(["psql", "-XAtqw", "-v", "ON_ERROR_STOP=1", url], text=True,
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def rows(self, sql: str) -> list[str]:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{sql};\n\\echo =end\n")
        self._process.stdin.flush()
        answer = []
        while (line := self._process.stdout.readline().rstrip("\n")) != "=end":
            if self._process.poll() is not None:
                raise RuntimeError(f"psql refused: {sql}")
            answer.append(line)
        return answer

    def number(self, sql: str) -> int:
        return int(self.rows(sql)[0])

    def close(self) -> None:
        self._process.communicate()


class Postgres:
    def __init__(self) -> None:
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="dbos-bench."))
        self._user: dict = {}
        if os.getuid() == 0:  # the server refuses to run as root
            entry = pwd.getpwnam("postgres")
            self._user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
            os.chown(self.directory, entry.pw_uid, entry.pw_gid)
        self.directory.chmod(0o755)
        data = self.directory / "data"
        subprocess.run([programs() / "initdb", "-D", data, "-A", "trust", "-U", "postgres"], check=True,
                       cwd="/", stdout=subprocess.DEVNULL, **self._user)
        options = [f"-c{name}={value}" for name, value in SETTINGS.items()]
        with open(self.directory / "log", "wb") as log:
            self._process = subprocess.Popen([programs() / "postgres", "-D", data, f"-k{self.directory}", *options],
                                             cwd="/", stdout=log, stderr=log, start_new_session=True,
                                             **self._user)
        self._wait()
        self.admin = Psql(self.url("postgres"))
        self.admin.rows("CREATE EXTENSION pg_stat_statements")
        self._databases: dict[str, Psql] = {}

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def directory_for_programs(self) -> pathlib.Path:
        """Where programs that use this server may write what they have to say."""
        path = self.directory / "programs"
        path.mkdir(exist_ok=True)
        return path

    @property
    def socket(self) -> pathlib.Path:
        return self.directory / ".s.PGSQL.5432"

    def url(self, database: str) -> str:
        return f"postgresql://postgres@localhost/{database}?host={self.directory}"

    def _wait(self) -> None:
        end = time.monotonic() + 60
        while subprocess.run([programs() / "pg_isready", "-q", "-h", self.directory]).returncode != 0:
            if self._process.poll() is not None or time.monotonic() > end:
                raise SystemExit("PostgreSQL did not start:\n" + (self.directory / "log").read_text())
            time.sleep(0.05)

    def database(self, name: str) -> Psql:
        """A connection to the database, which is created when it is first asked for."""
        if name not in self._databases:
            self.admin.rows(f"CREATE DATABASE {name}")
            self._databases[name] = Psql(self.url(name))
        return self._databases[name]

    def empty(self, name: str) -> None:
        """Truncates every table but the ledgers and the versions, and starts from a fresh checkpoint."""
        tables = self.database(name).rows(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('dbos', 'bench')"
            " AND tablename NOT IN ('dbos_migrations', 'application_versions')")
        if tables:
            self.database(name).rows(f"TRUNCATE {', '.join(tables)}")
        self.admin.rows("CHECKPOINT")

    def stop(self) -> None:
        for psql in [self.admin, *self._databases.values()]:
            psql.close()
        self._process.terminate()
        self._process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)
