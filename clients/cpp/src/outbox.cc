#include "outbox.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace dbos::runtime {

namespace {

bool IsOfSql(FrameKind kind) {
  return kind == FrameKind::kTransact || kind == FrameKind::kExecute;
}

}  // namespace

bool Outbox::IsSql(std::uint64_t seq) const {
  const auto wait = waits_.find(seq);
  return wait != waits_.end() && IsOfSql(wait->second.kind);
}

std::vector<std::shared_ptr<OperationOwner>> Outbox::TakeBound() {
  std::vector<std::shared_ptr<OperationOwner>> owners;
  for (std::size_t n = sent_; n < queue_.size();) {
    if (queue_[n].operation.kind != FrameKind::kTransact) {
      ++n;
      continue;
    }
    owners.push_back(std::move(queue_[n].operation.owner));
    queue_.erase(queue_.begin() + static_cast<std::ptrdiff_t>(n));
  }
  for (auto wait = waits_.begin(); wait != waits_.end();) {
    if (wait->second.kind != FrameKind::kTransact) {
      ++wait;
      continue;
    }
    owners.push_back(std::move(wait->second.owner));
    wait = waits_.erase(wait);
    --in_flight_;
  }
  return owners;
}

void Outbox::Push(Operation operation) {
  queue_.push_back({.operation = std::move(operation)});
}

std::string Outbox::NextMessage() {
  std::string message = std::exchange(control_, {});
  while (!paused_ && sent_ < queue_.size() && in_flight_ < max_in_flight_) {
    Slot& slot = queue_[sent_];
    const std::size_t bytes = slot.operation.body.size();
    if (!message.empty() && message.size() + bytes > kMessageBytes) break;
    slot.seq = ++last_seq_;
    AppendFrame(slot.operation.kind, slot.operation.body, slot.seq, message);
    ++in_flight_;
    ++sent_;
    if (slot.operation.kind != FrameKind::kAwait && !IsOfSql(slot.operation.kind)) continue;
    waits_.emplace(slot.seq, std::move(slot.operation));
    slot.answered = true;
  }
  DropAnswered();
  return message;
}

void Outbox::Acknowledge(const v1::Acknowledged& acknowledged, Answered& answered) {
  for (const v1::Acknowledged::Range& range : acknowledged.ranges()) {
    for (auto slot = FindSlot(range.first()); slot != queue_.end() && slot->seq != 0 && slot->seq <= range.last();
         ++slot) {
      if (slot->answered) continue;
      if (answered.empty() || answered.back().first != slot->operation.owner) {
        answered.emplace_back(slot->operation.owner, 0);
      }
      ++answered.back().second;
      Answer(*slot);
    }
  }
  DropAnswered();
}

Operation Outbox::Take(std::uint64_t seq) {
  if (const auto wait = waits_.find(seq); wait != waits_.end()) {
    Operation operation = std::move(wait->second);
    waits_.erase(wait);
    --in_flight_;
    return operation;
  }
  const auto slot = FindSlot(seq);
  if (slot == queue_.end() || slot->seq != seq || slot->answered) return {};
  Operation operation = slot->operation;
  Answer(*slot);
  return operation;
}

bool Outbox::SendAgain(std::uint64_t seq) {
  std::vector<Slot> again;
  if (waits_.contains(seq)) {
    again.push_back({.operation = Take(seq)});
  } else {
    const auto refused = FindSlot(seq);
    if (refused == queue_.end() || refused->seq != seq || refused->answered) return false;
    const void* execution = refused->operation.owner->execution();
    const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(sent_);
    for (auto slot = refused; slot != end; ++slot) {
      if (slot->answered || slot->operation.owner->execution() != execution) continue;
      again.push_back({.operation = slot->operation});
      Answer(*slot);
    }
  }
  std::erase_if(again, [](const Slot& slot) { return slot.operation.owner->Abandoned(); });
  queue_.insert(queue_.begin() + static_cast<std::ptrdiff_t>(sent_), again.begin(), again.end());
  DropAnswered();
  return !again.empty() && !std::exchange(paused_, true);
}

void Outbox::Rewind() {
  std::deque<Slot> again;
  for (Slot& slot : queue_) {
    if (!slot.answered && !slot.operation.owner->Abandoned()) again.push_back({.operation = std::move(slot.operation)});
  }
  for (auto& [seq, operation] : waits_) {
    if (!operation.owner->Abandoned()) again.push_back({.operation = std::move(operation)});
  }
  queue_ = std::move(again);
  waits_.clear();
  control_.clear();
  paused_ = false;
  sent_ = 0;
  in_flight_ = 0;
}

std::vector<std::shared_ptr<OperationOwner>> Outbox::Clear() {
  std::vector<std::shared_ptr<OperationOwner>> owners;
  for (Slot& slot : queue_) {
    if (!slot.answered) owners.push_back(std::move(slot.operation.owner));
  }
  for (auto& [seq, operation] : waits_) owners.push_back(std::move(operation.owner));
  queue_.clear();
  waits_.clear();
  sent_ = 0;
  in_flight_ = 0;
  return owners;
}

void Outbox::Answer(Slot& slot) {
  slot.answered = true;
  slot.operation = {};
  --in_flight_;
}

void Outbox::DropAnswered() {
  while (!queue_.empty() && queue_.front().answered) {
    queue_.pop_front();
    --sent_;
  }
}

std::deque<Outbox::Slot>::iterator Outbox::FindSlot(std::uint64_t seq) {
  const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(sent_);
  const auto slot =
      std::lower_bound(queue_.begin(), end, seq, [](const Slot& each, std::uint64_t want) { return each.seq < want; });
  return slot == end ? queue_.end() : slot;
}

}  // namespace dbos::runtime
