"""The workload of transactions: two limits, the SDK's data source, and ours; with one database and two.

A workflow of kind "one" inserts a row in each of its transactions, one of kind "two" reads the balance of an account
that only its caller uses and writes it back with 1 added; one of kind "deferred" does the same, but does not wait for
the answer to the write before it goes on to the commit. "alone" and "deferred_alone" are those kinds, one workflow after
another.
"""
import contextlib
from collections.abc import Iterator

from .programs import Program
from .sides import Bench
from .workloads import Round, in_turn, metered

COUNT = 10  # transactions of each workflow in a crowd
COUNT_ALONE = 20
CONNECTIONS = (10, 20, 50)  # of the pipelined limit; the best of them counts
RELAY_CONNECTIONS = 20  # as ours

TABLES = """
SET client_min_messages = warning;
CREATE SCHEMA IF NOT EXISTS bench;
CREATE TABLE IF NOT EXISTS bench.ledger (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, workflow text NOT NULL,
  step int NOT NULL, amount bigint NOT NULL);
CREATE TABLE IF NOT EXISTS bench.accounts (id int PRIMARY KEY, balance bigint NOT NULL) WITH (fillfactor = 10)"""
# So many accounts that every side's plan is a look-up by key: a scan of the table would conflict with all writers.
ACCOUNTS = "INSERT INTO bench.accounts SELECT id, 0 FROM generate_series(0, 9999) AS id; ANALYZE bench.accounts"


def prepare(bench: Bench, *databases: str) -> None:
    """Empty tables in each database; the last one is the application's."""
    for database in databases:
        bench.postgres.database(database)
        bench.postgres.empty(database)
    psql = bench.postgres.database(databases[-1])
    psql.rows(TABLES)
    psql.rows(ACCOUNTS)
    bench.postgres.admin.rows("CHECKPOINT")


# ---------------------------------------------------------------- the limits
def pipelined(bench: Bench) -> dict:
    """The best rate of transactions that are one pipeline each, with none of the SDK's or our work."""
    answers = {}
    for connections in CONNECTIONS:
        prepare(bench, "transactions_bare")
        command = [bench.binaries.pipeline, bench.postgres.url("transactions_bare"), connections, bench.seconds / 2]
        with running(Program(command, {}, bench.postgres.directory_for_programs)) as (program, pids):
            answer = metered(bench, program, {}, **pids)
        answer["rate"] = answer["commits"] / answer["seconds"]
        for table in ("ledger", "checkpoints"):
            expect("transactions_bare", f"rows in {table}", rows_of(bench, "transactions_bare", table),
                   answer["commits"])
        answers[connections] = answer
    best = max(answers, key=lambda connections: answers[connections]["rate"])
    rates = {str(connections): answer["rate"] for connections, answer in answers.items()}
    return answers[best] | {"connections": best, "rates": rates}


def relayed(bench: Bench) -> dict:
    """Transactions of kind "two" through a process that only passes frames on: the most that ours could do."""
    prepare(bench, "transactions_relay")
    directory = bench.postgres.directory_for_programs
    address = f"unix:{directory}/relay.sock"
    serve = [bench.binaries.relay, bench.postgres.url("transactions_relay"), RELAY_CONNECTIONS, address]
    with running(Program(serve, {}, directory)) as (relay, _):
        call = [bench.binaries.relay_load, address, bench.seconds]
        with running(Program(call, {}, directory), sidecar=relay.pid) as (program, pids):
            answer = metered(bench, program, {}, **pids)
    for found in (rows_of(bench, "transactions_relay", "checkpoints"),
                  bench.postgres.database("transactions_relay").number("SELECT sum(balance) FROM bench.accounts")):
        expect("transactions_relay", "transactions", found, answer["workflows"])
    answer["rate"] = answer["workflows"] / answer["seconds"]
    answer["cpu_us"] = {group: 1e6 * cpu / answer["workflows"] for group, cpu in answer.pop("cpu").items()}
    return answer


# ---------------------------------------------------------------- the SDK and ours
@contextlib.contextmanager
def running(program: Program, **pids: int) -> Iterator[tuple[Program, dict[str, int]]]:
    try:
        program.wait_for("ready")
        yield program, {"client": program.pid} | pids
    finally:
        program.stop()


@contextlib.contextmanager
def datasource(bench: Bench, system: str, application: str) -> Iterator[tuple[Program, dict[str, int]]]:
    variables = {"BENCH_DATABASE_URL": system, "BENCH_APPLICATION_DATABASE_URL": application}
    with running(Program(["node", bench.binaries.datasource_peer], variables,
                         bench.postgres.directory_for_programs)) as started:
        yield started


@contextlib.contextmanager
def sidecar(bench: Bench, system: str, application: str) -> Iterator[tuple[Program, dict[str, int]]]:
    with bench.ours(system, load=False, DBOS_APPLICATION_DATABASE_URL=application) as (process, _):
        with running(Program([bench.binaries.transactions], {"DBOS_SIDECAR_ADDRESS": process.address},
                             process.directory), sidecar=process.pid) as started:
            yield started


def requests(bench: Bench) -> dict[str, dict]:
    crowd = {"do": "throughput", "count": COUNT, "concurrency": 50, "workflows": bench.scaled(600),
             "seconds": bench.seconds}
    alone = {"do": "latency", "count": COUNT_ALONE, "workflows": bench.scaled(50)}
    return {"one": crowd | {"kind": "one"}, "two": crowd | {"kind": "two"}, "deferred": crowd | {"kind": "deferred"},
            "alone": alone | {"kind": "two"}, "deferred_alone": alone | {"kind": "deferred"}}


def measure(bench: Bench, side: str, apart: bool) -> dict:
    """All kinds, one after another: {"isolation", "one": {"rate", ...}, "two": {...}, "alone": {"median_us", ...}}."""
    system = f"transactions_{side}"
    application = f"{system}_app" if apart else system
    prepare(bench, system, application)
    urls = bench.postgres.url(system), bench.postgres.url(application)
    before = rollbacks_of(bench, application)
    with SIDES[side](bench, *urls) as (program, pids):
        done = program.ask(do="isolation")
        transactions = {"one": 0, "two": 0, "deferred": 0}
        workflows = 1
        for name, request in requests(bench).items():
            warm = program.ask(**request | {"workflows": request["workflows"] // 2, "seconds": 0})
            answer = done[name] = metered(bench, program, request, **pids)
            answer["rate"] = answer["workflows"] * request["count"] / answer["seconds"]
            answer["cpu_us"] = {group: 1e6 * cpu / (answer["workflows"] * request["count"])
                                for group, cpu in answer.pop("cpu").items()}
            workflows += warm["workflows"] + answer["workflows"]
            transactions[request["kind"]] += (warm["workflows"] + answer["workflows"]) * request["count"]
    expect_exactly_once(bench, system, application, workflows, transactions)
    # Serializable conflicts among them; the callers' rows are made so that there are few.
    done["rollbacks"] = rollbacks_of(bench, application) - before
    return done


SIDES = {"peer": datasource, "ours": sidecar}


def transactions(bench: Bench, number: int) -> Round:
    sides = in_turn(number, {"bare": lambda: pipelined(bench),
                             "relay": lambda: relayed(bench),
                             "peer": lambda: measure(bench, "peer", apart=False),
                             "ours": lambda: measure(bench, "ours", apart=False),
                             "peer_apart": lambda: measure(bench, "peer", apart=True),
                             "ours_apart": lambda: measure(bench, "ours", apart=True)})
    levels = {name: side["isolation"] for name, side in sides.items() if name != "relay"}
    if len({level for kinds in levels.values() for level in kinds.values()}) != 1:
        raise RuntimeError(f"the sides run at different isolation levels: {levels}")
    return sides


# ---------------------------------------------------------------- proof
def rollbacks_of(bench: Bench, database: str) -> int:
    """As PostgreSQL has counted them. Backends report when they end: ask after the side has stopped."""
    return bench.postgres.admin.number(f"SELECT xact_rollback FROM pg_stat_database WHERE datname = '{database}'")


def rows_of(bench: Bench, database: str, table: str) -> int:
    return bench.postgres.database(database).number(f"SELECT count(*) FROM bench.{table}")


def expect(database: str, what: str, found: int, wanted: int) -> None:
    if found != wanted:
        raise RuntimeError(f"{database}: {found} {what}, and {wanted} were expected")


def expect_exactly_once(bench: Bench, system: str, application: str, workflows: int,
                        transactions: dict[str, int]) -> None:
    """Every transaction that was answered has happened, once, and is recorded."""
    psql = bench.postgres.database(system)
    ended = psql.number("SELECT count(*) FROM dbos.workflow_status WHERE status = 'SUCCESS'")
    expect(system, "workflows with SUCCESS", ended, workflows)
    recorded = psql.number("SELECT count(*) FROM dbos.operation_outputs WHERE function_name IN ('one', 'two', 'deferred')")
    expect(system, "steps", recorded, sum(transactions.values()))
    expect(application, "rows in the ledger", rows_of(bench, application, "ledger"), transactions["one"])
    psql = bench.postgres.database(application)
    distinct = psql.number("SELECT count(DISTINCT (workflow, step)) FROM bench.ledger")
    expect(application, "different rows in the ledger", distinct, transactions["one"])
    balances = psql.number("SELECT sum(balance) FROM bench.accounts")
    expect(application, "in all accounts", balances, transactions["two"] + transactions["deferred"])
