// GrpcTransport: the Session stream over gRPC's callback API.
#pragma once

#include <memory>
#include <string>

#include "grpcpp/channel.h"

#include "mutex.h"
#include "transport.h"

namespace dbos::runtime {

class GrpcTransport final : public Transport {
 public:
  explicit GrpcTransport(std::shared_ptr<grpc::Channel> channel);
  ~GrpcTransport() override;

  void Open(TransportEvents* events) override;
  void Write(std::string message) override;
  void Finish() override;
  void Cancel() override;

 private:
  class Stream;
  std::shared_ptr<Stream> Current();

  const std::shared_ptr<grpc::Channel> channel_;
  Mutex mu_;
  std::shared_ptr<Stream> stream_ ABSL_GUARDED_BY(mu_);
};

}  // namespace dbos::runtime
