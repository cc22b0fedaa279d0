// Transport: one stream to the sidecar at a time. gRPC in production, a fake in tests.
//
// Threads:  the events of one stream come from any thread; OnClosed is the last one of a stream.
// Blocking: never, but for HandleOne.
#pragma once

#include <string>

#include "dbos/v1/steps.pb.h"

#include "mutex.h"
#include "turn.h"

namespace dbos::runtime {

class TransportEvents {
 public:
  TransportEvents() = default;
  virtual ~TransportEvents() = default;
  TransportEvents(const TransportEvents&) = delete;
  TransportEvents& operator=(const TransportEvents&) = delete;

  virtual void OnMessage(v1::SessionEvent& event) = 0;
  // The last write was taken; the next may follow. Not a sign of delivery.
  virtual void OnWritten() = 0;
  virtual void OnClosed(const std::string& why) = 0;
};

class Transport {
 public:
  Transport() = default;
  virtual ~Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // Begins a new stream; the one before must have been closed.
  virtual void Open(TransportEvents* events) = 0;
  // Writes a serialized SessionRequest. One at a time: not again before OnWritten.
  virtual void Write(std::string message) = 0;
  // Says that no more will be written; the other end closes the stream when it has read everything.
  virtual void Finish() = 0;
  // Ends the stream at once; OnClosed follows.
  virtual void Cancel() = 0;

  // Handles one event on the calling thread, if one comes by then. For whoever has the turn, which is then not null.
  virtual void HandleOne(SteadyTime /*until*/) {}
  virtual Turn* turn() { return nullptr; }
};

}  // namespace dbos::runtime
