#include "sidecar/store/legacy_payloads.h"

#include <string_view>
#include <utility>

namespace dbos::sidecar {
namespace {

// Copies of what is stored, so no fence is needed: whoever wrote it, it is what an old SDK is to see.
constexpr Query kCopyInputs = {
    .name = "copy_inputs",
    .args = "",
    .rows = "workflow_id text",
    .sql = R"(
UPDATE {schema}workflow_status AS s SET inputs = p.new_inputs
FROM {rows} JOIN (SELECT workflow_uuid AS input_id, inputs AS new_inputs FROM {schema}workflow_input) AS p
  ON p.input_id = i.workflow_id
WHERE s.workflow_uuid = i.workflow_id AND s.inputs IS NULL)",
};

constexpr Query kCopyOutcomes = {
    .name = "copy_outcomes",
    .args = "",
    .rows = "workflow_id text",
    .sql = R"(
UPDATE {schema}workflow_status AS s SET output = r.new_output, error = r.new_error
FROM {rows} JOIN (
  SELECT workflow_uuid AS output_id, output AS new_output, error AS new_error FROM {schema}workflow_output) AS r
  ON r.output_id = i.workflow_id
WHERE s.workflow_uuid = i.workflow_id AND s.status IN ('SUCCESS', 'ERROR') AND s.output IS NULL AND s.error IS NULL)",
};

}  // namespace

void PlanLegacyPayloads(const BatchView& view, BatchPlan& plan) {
  Statement inputs(kCopyInputs);
  for (const StartOp* op : view.starts) inputs.AddRow({std::string_view(op->workflow_id)});
  plan.Add(std::move(inputs));
  Statement outcomes(kCopyOutcomes);
  for (const CompletionOp* op : view.completions) outcomes.AddRow({std::string_view(op->execution.workflow_id)});
  plan.Add(std::move(outcomes));
}

std::span<const Query* const> LegacyPayloadQueries() {
  static constexpr const Query* kQueries[] = {&kCopyInputs, &kCopyOutcomes};
  return kQueries;
}

}  // namespace dbos::sidecar
