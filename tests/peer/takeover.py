"""The Python SDK's application on a system database, PostgreSQL or SQLite; see takeover.mjs.

Usage: takeover.py DATABASE_URL [WORKFLOW_ID...]    Prints one JSON object as its last line.
"""
import json
import sys

from dbos import DBOS, SetWorkflowID

url, *ids = sys.argv[1:]
DBOS(config={"name": "peer", "system_database_url": url, "application_version": "peer-1", "log_level": "ERROR"})


@DBOS.step()
def their_step(value):
    return {"value": value}


@DBOS.workflow()
def theirs(value):
    return their_step(value)


DBOS.launch()
with SetWorkflowID("theirs"):
    DBOS.start_workflow(theirs, 7)
seen = {}
for workflow_id in ["theirs", *ids]:
    result = DBOS.retrieve_workflow(workflow_id).get_result()
    row = DBOS.list_workflows(workflow_ids=[workflow_id])[0]
    steps = [step["function_name"] for step in DBOS.list_workflow_steps(workflow_id)]
    seen[workflow_id] = {"result": result, "name": row.name, "status": row.status, "steps": steps}
DBOS.destroy()
print(json.dumps(seen))
