#include "tests/testing/proxy/statements.h"

#include <algorithm>

#include "tests/testing/proxy/sql_text.h"

namespace dbos::testing {

ClientAction StatementTracker::OnClient(const WireMessage& message) {
  if (ended_) {
    transaction_.clear();
    ended_ = false;
  }
  std::string_view body = message.body;
  switch (message.type) {
    case 'P':
      Parse(body);
      return {};
    case 'B':
      Bind(body);
      return {};
    case 'C':
      Close(body);
      return {};
    case 'E': {
      const auto portal = portals_.find(TakeString(body));
      return portal == portals_.end() ? ClientAction{} : Execute(portal->second);
    }
    case 'Q': {
      ClientAction action = Execute(std::make_shared<const std::string>(TakeString(body)));
      action.ends_implicit = Sync().ends_implicit;
      action.ends_segment = true;
      return action;
    }
    case 'S':
      return Sync();
    default:
      return {};
  }
}

ClientAction StatementTracker::Execute(const Text& text) {
  ClientAction action{.executes = true};
  transaction_.push_back(text);
  for (const Verb verb : Verbs(*text)) {
    if (verb == Verb::kBegin) in_block_ = true;
    if (verb == Verb::kCommit) action.carries_commit = true;
    if (verb == Verb::kCommit || verb == Verb::kRollback) {
      in_block_ = false;
      ended_ = true;
    }
  }
  return action;
}

ClientAction StatementTracker::Sync() {
  ClientAction action{.ends_segment = true};
  action.ends_implicit = !in_block_ && !ended_ && !transaction_.empty();
  if (!in_block_) ended_ = true;
  return action;
}

void StatementTracker::Parse(std::string_view body) {
  const std::string name(TakeString(body));
  statements_[name] = std::make_shared<const std::string>(TakeString(body));
}

void StatementTracker::Bind(std::string_view body) {
  const std::string portal(TakeString(body));
  const auto statement = statements_.find(TakeString(body));
  if (statement == statements_.end()) {
    portals_.erase(portal);
  } else {
    portals_[portal] = statement->second;
  }
}

void StatementTracker::Close(std::string_view body) {
  if (body.empty()) return;
  auto& names = body.front() == 'S' ? statements_ : portals_;
  body.remove_prefix(1);
  const auto found = names.find(TakeString(body));
  if (found != names.end()) names.erase(found);
}

void StatementTracker::OnServerIdle(char transaction_status) {
  in_block_ = transaction_status != 'I';
}

bool StatementTracker::TransactionMentions(std::string_view text) const {
  return std::any_of(transaction_.begin(), transaction_.end(),
                     [&](const Text& ran) { return ran->find(text) != std::string::npos; });
}

}  // namespace dbos::testing
