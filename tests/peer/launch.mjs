// Launches the official SDK on a system database and shuts it down again: it migrates what it thinks needs migrating.
// Usage: node launch.mjs DATABASE_URL [SCHEMA]
// Environment: DBOS_TEST_PEER_DIR, a directory with node_modules.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.DBOS_TEST_PEER_DIR}/package.json`);
const { DBOS } = require("@dbos-inc/dbos-sdk");

const [url, schema] = process.argv.slice(2);
DBOS.setConfig({
  name: "peer",
  // Node's driver needs a host before it looks at the one among the parameters.
  systemDatabaseUrl: url.replace("@/", "@localhost/"),
  systemDatabaseSchemaName: schema ?? "dbos",
  logLevel: "error",
  runAdminServer: false,
});
await DBOS.launch();
await DBOS.shutdown();
