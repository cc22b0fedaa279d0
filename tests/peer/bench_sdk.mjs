// The official SDK as the benchmarks' peer: the same workflow as tests/benchmarks/load, driven by the same requests.
//
// Reads one JSON request a line on standard input and answers each with one JSON line:
//   {"do": "throughput", "steps": 10, "concurrency": 50, "workflows": 500, "seconds": 4}   at least both
//   {"do": "latency", "steps": 1, "workflows": 200}       one after another, start to result
//   {"do": "steps", "steps": 50, "workflows": 4}          the time of one sequential step inside a workflow
//   {"do": "strand", "workflows": 1000, "steps": 10, "done": 5}   each stops inside step `done`, for ever
//   {"do": "finish", "workflows": 1000}                   waits until so many recovered workflow bodies have returned
// Environment: BENCH_DATABASE_URL, DBOS_TEST_PEER_DIR (a directory with node_modules), BENCH_STRAND_AT (a step index).
import { createRequire } from "node:module";

import { answer, closedLoop, now, serve, summary } from "./bench_loop.mjs";

const require = createRequire(`${process.env.DBOS_TEST_PEER_DIR}/package.json`);
const { DBOS } = require("@dbos-inc/dbos-sdk");

const TEXT = "x".repeat(100);
const strandAt = Number(process.env.BENCH_STRAND_AT ?? -1);
const stepLatenciesUs = [];
let stranded = 0;
let finished = 0;
let onProgress = () => {};

async function body(index) {
  if (index === strandAt) {
    stranded += 1;
    onProgress();
    await new Promise(() => {});
  }
  return { index, text: TEXT };
}

async function bench(steps) {
  let last = null;
  let before = now();
  for (let index = 0; index < steps; index++) {
    last = await DBOS.runStep(() => body(index), { name: "step" });
    const after = now();
    if (index > 0) stepLatenciesUs.push(after - before);
    before = after;
  }
  finished += 1;
  onProgress();
  return last;
}

const workflow = DBOS.registerWorkflow(bench, { name: "bench" });

async function reached(condition) {
  await new Promise((resolve) => {
    onProgress = () => condition() && resolve();
    onProgress();
  });
}

const requests = {
  throughput: (request) => closedLoop(() => workflow(request.steps), request),
  latency: (request) => requests.throughput({ ...request, concurrency: 1 }),
  steps: async (request) => {
    stepLatenciesUs.length = 0;
    const { workflows, seconds } = await requests.latency(request);
    return { workflows, seconds, ...summary(stepLatenciesUs) };
  },
  strand: async ({ workflows, steps }) => {
    for (let i = 0; i < workflows; i++) await DBOS.startWorkflow(workflow)(steps);
    await reached(() => stranded >= workflows);
    return { workflows: stranded };
  },
  finish: async ({ workflows }) => {
    await reached(() => finished >= workflows);
    return { workflows: finished };
  },
};

DBOS.setConfig({
  name: "bench",
  systemDatabaseUrl: process.env.BENCH_DATABASE_URL,
  applicationVersion: "bench-sdk-1",
  executorID: "bench-sdk",
  logLevel: "error",
});
answer({ launching: true });
await DBOS.launch();
answer({ ready: true });
await serve(requests);
await DBOS.shutdown({ workflowCompletionTimeoutMS: 1 });
process.exit(0);
