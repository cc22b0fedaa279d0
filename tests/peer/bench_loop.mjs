// What the benchmarks' peers share: callers in a closed loop, and one JSON answer for each JSON request on standard input.
import { createInterface } from "node:readline";

export function now() {
  return Number(process.hrtime.bigint()) / 1000;
}

function quantile(values, q) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length === 0 ? 0 : sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
}

export function summary(latenciesUs) {
  return { median_us: quantile(latenciesUs, 0.5), p99_us: quantile(latenciesUs, 0.99) };
}

// Calls run(caller) in `concurrency` loops until both `workflows` have started and `seconds` are over.
export async function closedLoop(run, { concurrency, workflows, seconds = 0 }) {
  const latenciesUs = [];
  const begin = now();
  const mayStart = () => started < workflows || now() - begin < seconds * 1e6;
  let started = 0;
  const loop = async (_, caller) => {
    while (mayStart()) {
      started += 1;
      const before = now();
      await run(caller);
      latenciesUs.push(now() - before);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, loop));
  return { workflows: latenciesUs.length, seconds: (now() - begin) / 1e6, ...summary(latenciesUs) };
}

export function answer(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

// Answers each request with requests[request.do](request), until standard input ends.
export async function serve(requests) {
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    answer(await requests[request.do](request));
  }
}
