// What the official SDK's client sees of a workflow: its status and result, and its steps. Awaits the workflow first.
// Usage: node client.mjs DATABASE_URL WORKFLOW_ID    Prints one JSON object.
// Environment: DBOS_TEST_PEER_DIR, a directory with node_modules.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.DBOS_TEST_PEER_DIR}/package.json`);
const { DBOSClient } = require("@dbos-inc/dbos-sdk");

const [url, id] = process.argv.slice(2);
// Node's driver needs a host before it looks at the one among the parameters.
const client = await DBOSClient.create({ systemDatabaseUrl: url.replace("@/", "@localhost/") });
const seen = {};
try {
  seen.result = await client.retrieveWorkflow(id).getResult();
} catch (error) {
  seen.error = { name: error.name, message: error.message, code: error.code };
}
const [row] = await client.listWorkflows({ workflowIDs: [id] });
seen.workflow = {
  id: row.workflowID,
  status: row.status,
  name: row.workflowName,
  application: row.applicationName,
  version: row.applicationVersion,
  input: row.input,
};
seen.steps = (await client.listWorkflowSteps(id)).map((step) => ({
  id: step.functionID,
  name: step.name,
  output: step.output,
  error: step.error?.message,
  child: step.childWorkflowID,
}));
console.log(JSON.stringify(seen));
await client.destroy();
