#include "sidecar/engine/loop.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <thread>
#include <utility>

#include "sidecar/base/logging.h"
#include "sidecar/base/mutex.h"
#include "sidecar/base/status.h"
#include "sidecar/engine/read_pool.h"

namespace dbos::sidecar {
namespace {

absl::Time Monotonic() {
  return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

std::int64_t WallMs() {
  using std::chrono::milliseconds;
  return std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

class EngineLoop::Threads {
 public:
  Threads(std::unique_ptr<Engine> engine, StorageFactory storage, Options options)
      : options_(std::move(options)), storage_(std::move(storage)), engine_(std::move(engine)) {}

  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;
  ~Threads() { Stop(); }

  void Start() {
    readers_ = std::make_unique<ReadPool>(storage_, StorageRole::kReader, options_.readers, options_.reads_max);
    prober_ = std::make_unique<ReadPool>(storage_, StorageRole::kReader, 1, options_.reads_max);
    callers_ = std::make_unique<ReadPool>(storage_, StorageRole::kPooled, options_.callers, options_.reads_max);
    writer_ = std::thread([this] { WriterMain(); });
    keeper_ = std::thread([this] { KeeperMain(); });
  }

  void Post(Event event) {
    asked_at_ns_.store(NowNs(), std::memory_order_relaxed);
    bool lead = false;
    {
      MutexLock lock(mailbox_mu_);
      mailbox_.push_back(std::move(event));
      lead = lead_ == Lead::kFree;
      if (lead) lead_ = Lead::kBorrowed;
    }
    if (lead) {
      RunBorrowed();
    } else if (CommitIsSlow()) {
      keeper_wake_.NotifyOne();
    }
  }

  bool PostRead(Read read) {
    asked_at_ns_.store(NowNs(), std::memory_order_relaxed);
    return callers_->Post(std::move(read));
  }

  absl::Duration QuietFor() const { return absl::Nanoseconds(NowNs() - asked_at_ns_.load(std::memory_order_relaxed)); }

  EngineStatus status() {
    MutexLock lock(engine_mu_);
    return engine_->status();
  }

  ExecutionStanding StandingOf(const ExecutionRef& ref) {
    MutexLock lock(engine_mu_);
    return engine_->StandingOf(ref);
  }

  bool drained() {
    MutexLock lock(engine_mu_);
    return engine_->Drained();
  }

 private:
  // Who runs rounds and sends batches. The writer, unless it has nothing to do: then whoever has an event borrows that,
  // up to the point where somebody has to wait for the database.
  enum class Lead { kWriter, kFree, kBorrowed };

  void WriterMain();
  void RunBorrowed();
  void KeeperMain();
  void Stop();
  void Round();  // events and time into the engine; reads and answers out
  Batch TakeBatch();
  Batch NextBatch();
  void SendNext();
  void Commit(Batch& batch);  // until it succeeds or we stop
  void Answer();              // the verdicts of `committed_`, if there is one
  void WaitForWork();
  void RunRead(ReadRequest request);
  bool CommitIsSlow() const {
    const std::int64_t started = commit_started_ns_.load(std::memory_order_relaxed);
    return started != 0 && NowNs() - started > absl::ToInt64Nanoseconds(options_.slow_commit);
  }
  static std::int64_t NowNs() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

  // ---- constant after construction
  const Options options_;
  const StorageFactory storage_;

  // ---- own locks
  std::unique_ptr<ReadPool> readers_;
  std::unique_ptr<ReadPool> prober_;
  std::unique_ptr<ReadPool> callers_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::int64_t> commit_started_ns_{0};  // 0: no commit under way
  std::atomic<std::int64_t> asked_at_ns_{0};

  Mutex mailbox_mu_;
  CondVar writer_wake_;
  CondVar keeper_wake_;
  CondVar retry_wake_;
  std::vector<Event> mailbox_ ABSL_GUARDED_BY(mailbox_mu_);
  Lead lead_ ABSL_GUARDED_BY(mailbox_mu_) = Lead::kWriter;

  Mutex engine_mu_;
  std::unique_ptr<Engine> engine_ ABSL_GUARDED_BY(engine_mu_);

  // ---- of whoever has the lead
  std::unique_ptr<Storage> writer_storage_;
  Batch sent_;       // while the lead was borrowed, or the batch before it was about to be committed
  Batch committed_;  // not answered yet

  std::thread writer_;
  std::thread keeper_;
};

void EngineLoop::Threads::Round() {
  std::vector<ReadRequest> reads;
  std::vector<std::shared_ptr<ReplySink>> dirty;
  bool work_for_others = false;
  {
    // Taken under the engine's lock: two threads that run rounds must not swap the order of events.
    MutexLock lock(engine_mu_);
    std::vector<Event> events;
    {
      MutexLock mailbox_lock(mailbox_mu_);
      events.swap(mailbox_);
    }
    engine_->SetTime(Monotonic(), WallMs());
    for (Event& event : events) event(*engine_);
    engine_->Tick(Monotonic(), WallMs());
    reads = engine_->TakeReads();
    dirty = engine_->TakeDirtySinks();
    work_for_others = engine_->TakeWorkForOthers();
  }
  for (ReadRequest& read : reads) RunRead(std::move(read));
  for (const auto& sink : dirty) sink->Flush();
  if (work_for_others && options_.work_for_others) options_.work_for_others();
}

void EngineLoop::Threads::WriterMain() {
  writer_storage_ = storage_(StorageRole::kWriter);
  while (!stopping_.load(std::memory_order_relaxed)) {
    Batch batch = NextBatch();
    if (batch.empty() && committed_.empty()) {
      WaitForWork();
      continue;
    }
    if (!batch.empty()) Commit(batch);
    if (stopping_.load(std::memory_order_relaxed)) return;
    Answer();  // unless it was done while the next batch was under way
    committed_ = std::move(batch);
  }
}

Batch EngineLoop::Threads::NextBatch() {
  if (!sent_.empty()) return std::exchange(sent_, {});
  Round();
  return TakeBatch();
}

// On the thread of an event, which must not wait: what is sent here is received by the writer.
void EngineLoop::Threads::RunBorrowed() {
  SendNext();
  {
    MutexLock lock(mailbox_mu_);
    lead_ = Lead::kWriter;
  }
  writer_wake_.NotifyOne();
}

// What has come in by then does not wait for the log of the batch before it.
void EngineLoop::Threads::SendNext() {
  if (!sent_.empty()) return;  // that batch failed once: its successor waits as it is
  Round();
  sent_ = TakeBatch();
  if (!sent_.empty()) writer_storage_->Send(sent_);
}

Batch EngineLoop::Threads::TakeBatch() {
  MutexLock lock(engine_mu_);
  return engine_->TakeBatch();
}

void EngineLoop::Threads::Answer() {
  if (committed_.empty()) return;
  {
    MutexLock lock(engine_mu_);
    engine_->Committed(std::exchange(committed_, {}));
  }
  Round();
}

void EngineLoop::Threads::WaitForWork() {
  absl::Time wake;
  {
    MutexLock lock(engine_mu_);
    wake = engine_->NextWake();
  }
  MutexLock lock(mailbox_mu_);
  const absl::Duration wait = wake - Monotonic();
  if (!mailbox_.empty() || wait <= absl::ZeroDuration() || stopping_.load(std::memory_order_relaxed)) return;
  lead_ = Lead::kFree;
  writer_wake_.WaitFor(mailbox_mu_, std::min(wait, absl::Seconds(1)));
  while (lead_ == Lead::kBorrowed) writer_wake_.Wait(mailbox_mu_);
  lead_ = Lead::kWriter;
}

void EngineLoop::Threads::Commit(Batch& batch) {
  const Meanwhile meanwhile = {.at_first = [this] { Answer(); }, .at_commit = [this] { SendNext(); }};
  absl::Duration delay = options_.retry_delay_min;
  commit_started_ns_.store(NowNs(), std::memory_order_relaxed);
  for (int tries = 0; !stopping_.load(std::memory_order_relaxed); ++tries) {
    const absl::Status status = writer_storage_->Commit(batch, meanwhile);
    if (status.ok()) break;
    if (tries == 0 || delay == options_.retry_delay_max) {
      Log(LogLevel::kWarning, "commit failed, trying again", {{"error", Message(status)}});
    }
    {
      MutexLock lock(engine_mu_);
      engine_->DatabaseFailed(status);
    }
    MutexLock lock(mailbox_mu_);
    if (!stopping_.load(std::memory_order_relaxed)) retry_wake_.WaitFor(mailbox_mu_, delay);
    delay = std::min(delay * 2, options_.retry_delay_max);
  }
  commit_started_ns_.store(0, std::memory_order_relaxed);
}

// Keeps the engine alive while a commit takes long. Idle, it looks ten times a second.
void EngineLoop::Threads::KeeperMain() {
  while (!stopping_.load(std::memory_order_relaxed)) {
    {
      MutexLock lock(mailbox_mu_);
      if (!stopping_.load(std::memory_order_relaxed)) keeper_wake_.WaitFor(mailbox_mu_, absl::Milliseconds(100));
    }
    if (CommitIsSlow()) Round();
  }
}

void EngineLoop::Threads::RunRead(ReadRequest request) {
  auto shared = std::make_shared<ReadRequest>(std::move(request));
  ReadPool& pool = std::holds_alternative<ProbeRead>(*shared) ? *prober_ : *readers_;
  const bool posted = pool.Post([this, shared](Storage& storage) {
    absl::StatusOr<ReadResult> result = ReadPool::Run(storage, *shared);
    Post([shared, result = std::move(result)](Engine& engine) mutable {
      if (result.ok()) {
        engine.ReadDone(*shared, *std::move(result));
      } else {
        engine.ReadFailed(*shared, result.status());
      }
    });
  });
  if (posted) return;
  Post([shared](Engine& engine) { engine.ReadFailed(*shared, absl::ResourceExhaustedError("too many reads wait")); });
}

void EngineLoop::Threads::Stop() {
  {
    MutexLock lock(mailbox_mu_);
    stopping_.store(true);
  }
  writer_wake_.NotifyAll();
  keeper_wake_.NotifyAll();
  retry_wake_.NotifyAll();
  if (writer_.joinable()) writer_.join();
  if (keeper_.joinable()) keeper_.join();
  readers_.reset();
  prober_.reset();
  callers_.reset();
}

EngineLoop::EngineLoop(std::unique_ptr<Engine> engine, StorageFactory storage, Options options)
    : threads_(std::make_unique<Threads>(std::move(engine), std::move(storage), std::move(options))) {
}

EngineLoop::~EngineLoop() = default;

void EngineLoop::Start() {
  threads_->Start();
}
void EngineLoop::Post(Event event) {
  threads_->Post(std::move(event));
}
absl::Duration EngineLoop::QuietFor() const {
  return threads_->QuietFor();
}
bool EngineLoop::PostRead(Read read) {
  return threads_->PostRead(std::move(read));
}
ExecutionStanding EngineLoop::StandingOf(const ExecutionRef& ref) {
  return threads_->StandingOf(ref);
}
EngineStatus EngineLoop::status() {
  return threads_->status();
}

bool EngineLoop::DrainAndWait(absl::Duration finish_within) {
  threads_->Post([finish_within](Engine& engine) { engine.Drain(finish_within); });
  const absl::Time give_up = Monotonic() + finish_within + absl::Seconds(2);
  while (!threads_->drained()) {
    if (Monotonic() > give_up) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace dbos::sidecar
