// Tokens: who may call what, in a server with a token file.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "dcac/v1/compression.grpc.pb.h"
#include "server/grants.h"
#include "server/health_probe.h"
#include "server/server.h"
#include "tests/integration/fixture.h"
#include "tests/integration/notices.h"
#include "tests/integration/raw_calls.h"

namespace dcac::testing {
namespace {

using server::Method;
using server::Scope;
using ::testing::Combine;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Range;
using ::testing::ValuesIn;

std::string Entry(const std::string& token, const std::string& scopes, const std::string& expires = "") {
  return absl::StrCat("[[token]]\nname = 'n'\ntenant = 'vision'\nscopes = [", scopes, "]\nsha256 = '",
                      server::HashText(server::HashToken(token)), "'\n", expires);
}

// A server on a Unix socket whose token file has tokens named after their scopes, and one that has expired.
class GuardedServer {
 public:
  GuardedServer() {
    WriteTokens(Entry("token-read", "'read'") + Entry("token-write", "'write'") + Entry("token-admin", "'admin'") +
                Entry("token-all", "'read', 'write', 'admin'") +
                Entry("token-expired", "'read', 'write', 'admin'", "expires = 2020-01-01T00:00:00Z\n"));
    server::ServerOptions options = LoopbackOptions();
    options.listen = {"unix:" + folder_.File("socket")};
    options.token_file = TokenFile();
    options.store.location = "memory:";
    server_ = StartServer(options);
  }

  std::string TokenFile() const { return folder_.File("tokens"); }
  void WriteTokens(const std::string& content) const {
    std::ofstream(TokenFile()) << content;
    std::filesystem::permissions(TokenFile(), std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  }
  server::Server& server() const { return *server_; }
  std::string address() const { return server_->addresses()[0]; }
  std::shared_ptr<grpc::Channel> Channel() const { return MakeChannel(address(), grpc::InsecureChannelCredentials()); }

 private:
  const TempFolder folder_;
  std::unique_ptr<server::Server> server_;
};

// What a caller shows, and what the server says to it whatever the method; or the only scope that it has.
struct CallerCase {
  const char* name;
  const char* token;
  const char* tenant;
  grpc::StatusCode refusal;  // OK: depends on the scope
  Scope scope;               // kAny: has all
};

constexpr CallerCase kCallers[] = {
    {"NoToken", "", "", grpc::StatusCode::UNAUTHENTICATED, Scope::kAny},
    {"WrongToken", "token-wrong", "", grpc::StatusCode::UNAUTHENTICATED, Scope::kAny},
    {"ExpiredToken", "token-expired", "", grpc::StatusCode::UNAUTHENTICATED, Scope::kAny},
    {"WrongTenant", "token-all", "speech", grpc::StatusCode::PERMISSION_DENIED, Scope::kAny},
    {"ReadToken", "token-read", "", grpc::StatusCode::OK, Scope::kRead},
    {"WriteToken", "token-write", "vision", grpc::StatusCode::OK, Scope::kWrite},
    {"AdminToken", "token-admin", "", grpc::StatusCode::OK, Scope::kAdmin},
    {"FullToken", "token-all", "vision", grpc::StatusCode::OK, Scope::kAny},
};

grpc::StatusCode Expected(const CallerCase& caller, Method method) {
  if (caller.refusal != grpc::StatusCode::OK) return caller.refusal;
  const Scope needed = server::RequiredScope(method);
  const bool has_scope = needed == Scope::kAny || caller.scope == Scope::kAny || caller.scope == needed;
  return has_scope ? grpc::StatusCode::OK : grpc::StatusCode::PERMISSION_DENIED;
}

class AuthMatrixTest : public ::testing::TestWithParam<std::tuple<int, CallerCase>> {
 protected:
  static void SetUpTestSuite() { guarded_ = std::make_unique<GuardedServer>(); }
  static void TearDownTestSuite() { guarded_.reset(); }
  static inline std::unique_ptr<GuardedServer> guarded_;
};

TEST_P(AuthMatrixTest, CellIsAsItShouldBe) {
  const auto method = static_cast<Method>(std::get<0>(GetParam()));
  const CallerCase& caller = std::get<1>(GetParam());
  Metadata metadata;
  if (*caller.token != '\0') metadata = WithToken(caller.token);
  if (*caller.tenant != '\0') metadata["dcac-tenant"] = caller.tenant;
  const grpc::Status status = Call(guarded_->Channel(), method, metadata);
  const grpc::StatusCode expected = Expected(caller, method);
  if (expected == grpc::StatusCode::OK) {
    EXPECT_NE(status.error_code(), grpc::StatusCode::UNAUTHENTICATED) << status.error_message();
    EXPECT_NE(status.error_code(), grpc::StatusCode::PERMISSION_DENIED) << status.error_message();
    EXPECT_NE(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
  } else {
    EXPECT_EQ(status.error_code(), expected) << status.error_message();
    EXPECT_THAT(status.error_message(), Not(IsEmpty()));
    EXPECT_THAT(status.error_message(), Not(HasSubstr("token-"))) << "it leaks the token";
    EXPECT_THAT(status.error_message(), Not(HasSubstr("/"))) << "it leaks a path";
  }
}

std::string CellName(const ::testing::TestParamInfo<std::tuple<int, CallerCase>>& cell) {
  return absl::StrCat(std::string(server::MethodName(static_cast<Method>(std::get<0>(cell.param)))), "_",
                      std::get<1>(cell.param).name);
}
INSTANTIATE_TEST_SUITE_P(EveryCell, AuthMatrixTest, Combine(Range(0, server::kNumMethods), ValuesIn(kCallers)),
                         CellName);

// Reflection answers a request that asks for nothing, too; where it is not, nobody knows its name.
bool HasReflection(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  const grpc::Slice nothing;
  const grpc::ByteBuffer request(&nothing, 1);
  grpc::ByteBuffer response;
  std::promise<grpc::Status> status;
  stub.UnaryCall(&context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", grpc::StubOptions(),
                 &request, &response, [&](grpc::Status ended) { status.set_value(std::move(ended)); });
  return status.get_future().get().error_code() != grpc::StatusCode::UNIMPLEMENTED;
}

TEST(AuthTest, HealthNeedsNoToken) {
  const GuardedServer guarded;
  EXPECT_TRUE(server::ProbeHealth(guarded.address(), std::chrono::seconds(30)).ok());
}

TEST(AuthTest, ReflectionIsThereOnlyWhereConfigured) {
  server::ServerOptions options = LoopbackOptions();
  for (const bool reflection : {false, true}) {
    options.reflection = reflection;
    const auto server = StartServer(options);
    const auto channel = MakeChannel(server->addresses()[0], grpc::InsecureChannelCredentials());
    EXPECT_EQ(HasReflection(channel), reflection);
  }
}

TEST(AuthTest, RefusedCallsAreCounted) {
  const GuardedServer guarded;
  Call(guarded.Channel(), Method::kGetCapabilities);
  EXPECT_TRUE(Eventually([&] { return guarded.server().metrics().calls(absl::StatusCode::kUnauthenticated) == 1; }));
}

TEST(AuthTest, NewTokensCountForNewCallsAndRunningOnesGoOn) {
  const GuardedServer guarded;
  const auto channel = guarded.Channel();
  const auto stub = v1::CompressionService::NewStub(channel);
  grpc::ClientContext context;
  AddMetadata(WithToken("token-write"), context);
  const auto stream = stub->BatchCompress(&context);
  v1::BatchCompressResponse response;
  ASSERT_TRUE(stream->Write(BatchItem()) && stream->Read(&response));

  guarded.WriteTokens(Entry("token-new", "'write'"));
  EXPECT_THAT(guarded.server().ReloadFiles(), News("tokens: read anew, 1 tokens"));
  EXPECT_EQ(Call(channel, Method::kGetCapabilities, WithToken("token-write")).error_code(),
            grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_TRUE(Call(channel, Method::kGetCapabilities, WithToken("token-new")).ok());

  ASSERT_TRUE(stream->Write(BatchItem()) && stream->Read(&response));
  EXPECT_EQ(response.code(), 0) << response.message();
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_THAT(guarded.server().ReloadFiles(), IsEmpty()) << "nothing has changed since";
}

TEST(AuthTest, WrongTokenFileLeavesTheTokens) {
  const GuardedServer guarded;
  guarded.WriteTokens("[[token]]\n");
  EXPECT_THAT(guarded.server().ReloadFiles(), Problem("tokens stay as they were: "));
  EXPECT_TRUE(Call(guarded.Channel(), Method::kGetCapabilities, WithToken("token-read")).ok());
}

TEST(AuthTest, FilesThatAllMayReadAreRefused) {
  const GuardedServer guarded;
  std::filesystem::permissions(guarded.TokenFile(), std::filesystem::perms::others_read,
                               std::filesystem::perm_options::add);
  server::ServerOptions options = LoopbackOptions();
  options.token_file = guarded.TokenFile();
  const absl::Status status = server::Server::Start(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("all users may read"));
}

}  // namespace
}  // namespace dcac::testing
