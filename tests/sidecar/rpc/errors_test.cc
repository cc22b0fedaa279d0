#include "sidecar/rpc/errors.h"

#include <google/protobuf/any.pb.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <gtest/gtest.h>

namespace dbos::sidecar {
namespace {

TEST(ErrorTableTest, EveryReasonOfTheProtoHasACodeAndARetryClass) {
  for (int number = v1::Reason_MIN + 1; number <= v1::Reason_MAX; ++number) {
    v1::ErrorDetail detail;
    PutError({static_cast<Reason>(number), "why"}, &detail);
    EXPECT_EQ(detail.reason(), number) << "no rule for " << v1::Reason_Name(static_cast<v1::Reason>(number));
    EXPECT_NE(detail.retry(), v1::RETRY_CLASS_UNSPECIFIED);
    EXPECT_NE(GrpcCode(static_cast<Reason>(number)), grpc::OK);
  }
}

TEST(ErrorTableTest, OnlySafeReasonsAreRepeatedByGenericRetryPolicies) {
  EXPECT_EQ(GrpcCode(Reason::kPayloadTooLarge), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(RetryClassOf(Reason::kPayloadTooLarge), v1::RETRY_CLASS_NEVER);
  EXPECT_EQ(GrpcCode(Reason::kDatabaseUnavailable), grpc::UNAVAILABLE);
  EXPECT_EQ(RetryClassOf(Reason::kDatabaseUnavailable), v1::RETRY_CLASS_SAME_REQUEST);
  EXPECT_EQ(GrpcCode(Reason::kFenced), grpc::ABORTED);
  EXPECT_EQ(RetryClassOf(Reason::kFenced), v1::RETRY_CLASS_STOP_EXECUTION);
}

TEST(GrpcStatusTest, CarriesTheDetailInTheLayoutOfGoogleRpcStatus) {
  const grpc::Status status = ToGrpcStatus({Reason::kFenced, "another execution owns it"});
  EXPECT_EQ(status.error_code(), grpc::ABORTED);
  EXPECT_EQ(status.error_message(), "another execution owns it");

  using google::protobuf::internal::WireFormatLite;
  const std::string bytes = status.error_details();
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                            static_cast<int>(bytes.size()));
  std::uint32_t code = 0;
  std::string message;
  std::string any_bytes;
  ASSERT_EQ(in.ReadTag(), WireFormatLite::MakeTag(1, WireFormatLite::WIRETYPE_VARINT));
  ASSERT_TRUE(in.ReadVarint32(&code));
  ASSERT_EQ(in.ReadTag(), WireFormatLite::MakeTag(2, WireFormatLite::WIRETYPE_LENGTH_DELIMITED));
  ASSERT_TRUE(WireFormatLite::ReadBytes(&in, &message));
  ASSERT_EQ(in.ReadTag(), WireFormatLite::MakeTag(3, WireFormatLite::WIRETYPE_LENGTH_DELIMITED));
  ASSERT_TRUE(WireFormatLite::ReadBytes(&in, &any_bytes));
  EXPECT_EQ(code, static_cast<std::uint32_t>(grpc::ABORTED));
  EXPECT_EQ(message, "another execution owns it");

  google::protobuf::Any any;
  ASSERT_TRUE(any.ParseFromString(any_bytes));
  EXPECT_EQ(any.type_url(), "type.googleapis.com/dbos.v1.ErrorDetail");
  v1::ErrorDetail detail;
  ASSERT_TRUE(any.UnpackTo(&detail));
  EXPECT_EQ(detail.reason(), v1::REASON_FENCED);
}

TEST(GrpcStatusTest, KeepsAMessageWithinTheLimitOfATrailerAndPrintable) {
  const grpc::Status status = ToGrpcStatus({Reason::kDatabaseError, std::string(5000, 'x') + "\xFF"});
  EXPECT_EQ(status.error_message().size(), kErrorMessageBytesMax);
  EXPECT_EQ(ToGrpcStatus({Reason::kDatabaseError, "bad \xFF byte"}).error_message(), "bad ? byte");
}

TEST(ReadErrorTest, TellsAnOutageFromARefusal) {
  EXPECT_EQ(ReadError(absl::UnavailableError("gone")).reason, Reason::kDatabaseUnavailable);
  EXPECT_EQ(ReadError(absl::AbortedError("deadlock")).reason, Reason::kDatabaseUnavailable);
  EXPECT_EQ(ReadError(absl::ResourceExhaustedError("no connection")).reason, Reason::kInflightLimit);
  EXPECT_EQ(ReadError(absl::InternalError("bug")).reason, Reason::kDatabaseError);
}

}  // namespace
}  // namespace dbos::sidecar
