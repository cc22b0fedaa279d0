// StatementTracker: follows one connection's statements, so that the proxy knows which message carries a COMMIT.
//
// It sees the client's messages in order, remembers the text behind each prepared statement and portal, and says what
// each message does to the transaction. Threads: confined to the proxy's thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/testing/proxy/wire.h"

namespace dbos::testing {

// What one message of the client does.
struct ClientAction {
  bool carries_commit = false;  // runs COMMIT or END, as a simple query or by executing a prepared statement
  bool ends_implicit = false;   // Sync or simple query outside a block after something ran: an implicit commit
  bool ends_segment = false;    // Sync or simple query: the server answers it with one ReadyForQuery
  bool executes = false;        // Execute or simple query
};

class StatementTracker {
 public:
  ClientAction OnClient(const WireMessage& message);
  // The server's own view, told when nothing is in flight: 'I' idle, 'T' in a block, 'E' in a failed block.
  void OnServerIdle(char transaction_status);

  // Whether a statement of the transaction that the last message belongs to contains `text`.
  bool TransactionMentions(std::string_view text) const;

 private:
  using Text = std::shared_ptr<const std::string>;

  ClientAction Execute(const Text& text);
  void Parse(std::string_view body);
  void Bind(std::string_view body);
  void Close(std::string_view body);
  ClientAction Sync();

  std::map<std::string, Text, std::less<>> statements_;
  std::map<std::string, Text, std::less<>> portals_;
  std::vector<Text> transaction_;  // what ran in the current transaction
  bool in_block_ = false;
  bool ended_ = false;  // the last message ended it: the next one starts a new list
};

}  // namespace dbos::testing
