// What the relay and its application share: the number of callers, and the writing half of a stream.
#pragma once

#include <mutex>

namespace dbos::benchmarks {

inline constexpr int kCallers = 50;

// The events of a stream.
inline void* const kOpened = reinterpret_cast<void*>(1);
inline void* const kRead = reinterpret_cast<void*>(2);
inline void* const kWritten = reinterpret_cast<void*>(3);

// Frames of one moment travel together: what comes while a message is being written is the next one.
template <typename Message, typename Stream>
class Writer {
 public:
  explicit Writer(Stream& stream) : stream_(stream) {}
  template <typename Add>
  void Append(Add add) {
    const std::lock_guard<std::mutex> lock(mu_);
    add(*waiting_.add_frames());
  }
  void Flush() {
    const std::lock_guard<std::mutex> lock(mu_);
    if (!writing_ && waiting_.frames_size() > 0) Write();
  }
  // The stream is there, or a message has been written.
  void GoOn() {
    const std::lock_guard<std::mutex> lock(mu_);
    writing_ = waiting_.frames_size() > 0;
    if (writing_) Write();
  }

 private:
  void Write() {
    writing_ = true;
    message_.Clear();
    message_.Swap(&waiting_);
    stream_.Write(message_, kWritten);
  }

  Stream& stream_;
  std::mutex mu_;
  bool writing_ = true;  // until the stream is there
  Message waiting_;
  Message message_;
};

}  // namespace dbos::benchmarks
