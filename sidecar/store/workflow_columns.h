// The columns of workflow_status that make a WorkflowRecord, and how to read them back. Unqualified, so that the list
// also serves RETURNING; a query that joins keeps other tables' columns under other names.
#pragma once

#include "sidecar/db/result.h"
#include "sidecar/model/workflow.h"

// A macro, because adjacent string literals are the only way to share a piece of a constant SQL text.
#define DBOS_WORKFLOW_COLUMNS                                                                                    \
  " workflow_uuid, status, name, class_name, config_name, executor_id, queue_name, application_name,"            \
  " application_version, parent_workflow_id, forked_from, owner_xid, recovery_attempts, created_at, updated_at," \
  " started_at_epoch_ms, completed_at, workflow_timeout_ms, workflow_deadline_epoch_ms, serialization "

namespace dbos::sidecar {

inline constexpr std::size_t kWorkflowColumnCount = 20;

WorkflowRecord ReadWorkflowColumns(const Result::Row& row);

// The format of the workflow's input and outcome; values that an SDK wrote without one have its own default format,
// which has no name.
std::string ReadSerialization(const Result::Row& row);

}  // namespace dbos::sidecar
