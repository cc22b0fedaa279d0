"""Round trips, counted on the wire by the proxy, and commits, counted by PostgreSQL itself."""
import json

from .programs import Program
from .sides import Bench
from .workloads import Round, in_turn


def count(proxy: Program, program: Program, request: dict) -> dict:
    """What one request costs on the wire."""
    proxy.send("reset")
    proxy.line()
    answer = program.ask(**request)
    proxy.send("counts")
    return answer | {"counts": json.loads(proxy.line())}


def trips(counts: dict) -> int:
    """Whatever asks the server for an answer."""
    return counts["syncs"] + counts["flushes"]


def commits_of(bench: Bench, database: str) -> int:
    """Transactions that PostgreSQL has counted. Backends report when they end: ask after the side has stopped."""
    return bench.postgres.admin.number(f"SELECT xact_commit FROM pg_stat_database WHERE datname = '{database}'")


def per_unit(long: dict, short: dict, field: str, units: int) -> float:
    """The cost of one unit from two run lengths, so that what is not part of the unit drops out."""
    return (long["counts"][field] - short["counts"][field]) / units


def trips_per_unit(long: dict, short: dict, units: int) -> float:
    return (trips(long["counts"]) - trips(short["counts"])) / units


def count_side(bench: Bench, proxy: Program, program: Program) -> dict:
    workflows = bench.scaled(100)
    one = {"do": "latency", "steps": 1, "workflows": workflows}
    eleven = one | {"steps": 11}
    program.ask(**one)  # statements are prepared, pools filled
    short, long = count(proxy, program, one), count(proxy, program, eleven)
    busy = {"do": "throughput", "steps": 10, "concurrency": 50, "workflows": bench.scaled(500)}
    program.ask(**busy | {"workflows": 50})
    crowd = count(proxy, program, busy)
    steps = crowd["workflows"] * 10
    return {"alone_per_step": trips_per_unit(long, short, workflows * 10),
            "alone_per_one_step_workflow": trips(short["counts"]) / workflows,
            "alone_statements_per_step": per_unit(long, short, "executes", workflows * 10),
            "alone_answers_per_step": per_unit(long, short, "ready_for_query", workflows * 10),
            "at_50_per_step": trips(crowd["counts"]) / steps,
            "at_50_statements_per_step": crowd["counts"]["executes"] / steps,
            "at_50_flushes_per_step": crowd["counts"]["flushes"] / steps,
            "at_50_turns_per_step": crowd["counts"]["turns"] / steps}


def commits_per_step(bench: Bench, side: str, workflows: int) -> tuple[int, int]:
    """(steps, transactions that PostgreSQL counted) of a whole life of the side, without the proxy."""
    database = f"bench_{side}"
    before = commits_of(bench, database)
    request = {"do": "throughput", "steps": 10, "concurrency": 50, "workflows": workflows}
    if side == "sdk":
        with bench.sdk() as program:
            done = program.ask(**request)
    else:
        with bench.ours() as (_, program):
            done = program.ask(**request)
    return done["workflows"] * 10, commits_of(bench, database) - before


def pg_commits_per_step(bench: Bench, side: str) -> float:
    short_steps, short_commits = commits_per_step(bench, side, 50)
    long_steps, long_commits = commits_per_step(bench, side, 50 + bench.scaled(500))
    return (long_commits - short_commits) / (long_steps - short_steps)


def count_sdk(bench: Bench) -> dict:
    with bench.proxy() as (proxy, directory):
        with bench.sdk(f"postgresql://postgres@localhost/bench_sdk?host={directory}") as program:
            counted = count_side(bench, proxy, program)
    return counted | {"at_50_commits_per_step": pg_commits_per_step(bench, "sdk")}


def count_ours(bench: Bench) -> dict:
    with bench.proxy() as (proxy, directory):
        bench.postgres.database("bench_ours")
        bench.postgres.empty("bench_ours")
        with bench.ours(f"postgresql://postgres@localhost/bench_ours?host={directory}") as (_, program):
            counted = count_side(bench, proxy, program)
    return counted | {"at_50_commits_per_step": pg_commits_per_step(bench, "ours")}


def wire(bench: Bench, number: int) -> Round:
    return in_turn(number, {"peer": lambda: count_sdk(bench), "ours": lambda: count_ours(bench)})
