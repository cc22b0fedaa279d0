// An SDK's application on a system database: makes or migrates it, runs a workflow "theirs" once, and tells what it sees
// of some workflows.
// Usage: node takeover.mjs PACKAGE DATABASE_URL [WORKFLOW_ID...]    Prints one JSON object as its last line.
// Environment: DBOS_TEST_PEER_DIR, a directory with node_modules.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.DBOS_TEST_PEER_DIR}/package.json`);
const [sdk, url, ...ids] = process.argv.slice(2);
const { DBOS } = require(sdk);

const theirs = DBOS.registerWorkflow(
  async (value) => await DBOS.runStep(async () => ({ value }), { name: "their_step" }), { name: "theirs" });
DBOS.setConfig({
  name: "peer",
  // Node's driver needs a host before it looks at the one among the parameters.
  systemDatabaseUrl: url.replace("@/", "@localhost/"),
  applicationVersion: "peer-1",
  logLevel: "error",
  runAdminServer: false,
});
await DBOS.launch();
await DBOS.startWorkflow(theirs, { workflowID: "theirs" })(7);
const seen = {};
for (const id of ["theirs", ...ids]) {
  const result = await DBOS.retrieveWorkflow(id).getResult();
  const [row] = await DBOS.listWorkflows({ workflowIDs: [id] });
  const steps = await DBOS.listWorkflowSteps(id);
  seen[id] = { result, name: row.workflowName, status: row.status, steps: steps.map((step) => step.name) };
}
await DBOS.shutdown();
console.log(JSON.stringify(seen));
process.exit(0);
