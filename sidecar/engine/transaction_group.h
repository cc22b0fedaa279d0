// TransactionGroup: the rules of transactions of one statement that are committed together (group commit, ADR 11).
//
// Invariants
//   - Each of them could be alone: it has its own fence and its own record, and the commit is of all of them.
//   - Whatever fails fails for all: nothing has taken effect, and each goes alone to meet the answer that is its own.
//   - Where the answer was lost all are in doubt, and each is looked up before it is run again.
//
// Threads:  one at a time, with the storage.
// Blocking: Run, for the database.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/time/time.h"

#include "sidecar/engine/transaction.h"
#include "sidecar/store/transaction_storage.h"

namespace dbos::sidecar {

// What shares a commit with others is not to wait for long. Who allows himself less than this goes alone.
inline constexpr absl::Duration kGroupTimeout = absl::Seconds(2);
// Nor has it more to send than this: the group goes in one piece.
inline constexpr std::size_t kGroupMemberBytesMax = 64 << 10;

// Whether it is of the kind that a group can hold: one statement, and a step that is recorded with it.
bool CanShareCommit(const TransactionRequest& request);

struct GroupEnd {
  std::vector<TransactionAnswer> answers;  // of each, in their order; none: each has to go alone
  std::optional<std::size_t> failed;       // then: because of whom, where it was one of them
};

class TransactionGroup {
 public:
  explicit TransactionGroup(TransactionStorage& storage) : storage_(storage) {}

  // `group`: of the same mode, each with `begin`. They are left as they are, to go alone, but for times that the caller
  // left to us and `in_doubt`. True: sent, and Run takes the answer. False: Run does it all.
  bool Start(std::span<TransactionRequest* const> group, std::int64_t now_ms);
  GroupEnd Run(std::span<TransactionRequest* const> group);

 private:
  TransactionStorage& storage_;
};

}  // namespace dbos::sidecar
