// The official SDK's data source as the transactions' peer: the same workflow as tests/benchmarks/load_transactions,
// driven by the same requests. Each workflow runs `count` transactions, one after another; `kind` is
//   "one"   one statement: a row into bench.ledger
//   "two"   two statements: the balance of the caller's own account is read, and written with 1 added
//   "deferred"  the same, and nobody waits for the answer to the second: the driver pipelines what follows
//
// Reads one JSON request a line on standard input and answers each with one JSON line:
//   {"do": "isolation"}                                            the level that the transactions really have
//   {"do": "throughput", "kind": "one", "count": 10, "concurrency": 50, "workflows": 500, "seconds": 4}  at least both
//   {"do": "latency", "kind": "two", "count": 50, "workflows": 4}  the time of one transaction in a workflow alone
// Environment: BENCH_DATABASE_URL, BENCH_APPLICATION_DATABASE_URL, DBOS_TEST_DATASOURCE_PEER_DIR (a directory with
// node_modules), BENCH_POOL_SIZE (connections of each of the two pools; 10, their default, without).
import { createRequire } from "node:module";

import { answer, closedLoop, now, serve, summary } from "./bench_loop.mjs";

const require = createRequire(`${process.env.DBOS_TEST_DATASOURCE_PEER_DIR}/package.json`);
const { DBOS } = require("@dbos-inc/dbos-sdk");
const { PostgresDataSource } = require("@dbos-inc/postgres-datasource");

const ISOLATION = "SERIALIZABLE";
const ACCOUNT_STRIDE = 200; // the callers' accounts are on different pages, as random ones would be
const pool = Number(process.env.BENCH_POOL_SIZE ?? 10);
const transactionLatenciesUs = [];

function driverOptions(text) {
  const url = new URL(text);
  return { host: url.searchParams.get("host"), database: url.pathname.slice(1), username: url.username, max: pool };
}

const source = new PostgresDataSource("bench", driverOptions(process.env.BENCH_APPLICATION_DATABASE_URL));

function transaction(name, body) {
  return source.runTransaction(body, { name, isolationLevel: ISOLATION });
}

// Reads a balance, writes it with 1 added, and does with the write what `finish` does.
const addOne = (name, account, finish) =>
  transaction(name, async () => {
    const [row] = await source.client`SELECT balance FROM bench.accounts WHERE id = ${account}`;
    const balance = Number(row.balance) + 1;
    await finish(source.client`UPDATE bench.accounts SET balance = ${balance} WHERE id = ${account}`);
    return balance;
  });

const kinds = {
  one: (index) =>
    transaction("one", async () => {
      await source.client`INSERT INTO bench.ledger (workflow, step, amount) VALUES (${DBOS.workflowID}, ${index}, 1)`;
    }),
  two: (index, account) => addOne("two", account, (write) => write),
  // Where the write fails the transaction has failed, and so does what follows.
  deferred: (index, account) => addOne("deferred", account, (write) => void write.execute().catch(() => {})),
  isolation: () =>
    transaction("isolation", async () => {
      const [row] = await source.client`SELECT current_setting('transaction_isolation') AS level`;
      return row.level;
    }),
};

async function bench(kind, count, account) {
  let last = null;
  let before = now();
  for (let index = 0; index < count; index++) {
    last = await kinds[kind](index, account);
    const after = now();
    if (index > 0) transactionLatenciesUs.push(after - before);
    before = after;
  }
  return last;
}

const workflow = DBOS.registerWorkflow(bench, { name: "bench" });

const requests = {
  isolation: async () => {
    const level = await workflow("isolation", 1, 0);
    return { workflows: 1, isolation: { one: level, two: level } };
  },
  throughput: (request) =>
    closedLoop((caller) => workflow(request.kind, request.count, caller * ACCOUNT_STRIDE), request),
  latency: async (request) => {
    transactionLatenciesUs.length = 0;
    const { workflows, seconds } = await requests.throughput({ ...request, concurrency: 1 });
    return { workflows, seconds, ...summary(transactionLatenciesUs) };
  },
};

DBOS.setConfig({
  name: "bench",
  systemDatabaseUrl: process.env.BENCH_DATABASE_URL,
  systemDatabasePoolSize: pool,
  applicationVersion: "bench-datasource-1",
  executorID: "bench-datasource",
  logLevel: "error",
  runAdminServer: false,
});
await DBOS.launch();
answer({ ready: true });
await serve(requests);
await DBOS.shutdown({ workflowCompletionTimeoutMS: 1 });
process.exit(0);
