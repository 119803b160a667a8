// TLS: which connections come about, and certificates that change while the server runs.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "dcac/client.h"
#include "dcac/v1/compression.grpc.pb.h"
#include "server/grants.h"
#include "server/server.h"
#include "tests/integration/fixture.h"
#include "tests/integration/notices.h"
#include "tests/integration/raw_calls.h"
#include "tests/integration/test_authority.h"

namespace dcac::testing {
namespace {

using server::Method;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kHost[] = "server.test";

class TlsTest : public ::testing::Test {
 protected:
  void WriteServerFiles(const KeyPair& pair) const {
    Write("tls.crt", pair.certificate);
    Write("tls.key", pair.key);
  }
  void Write(const std::string& name, const std::string& content) const {
    std::ofstream(folder_.File(name)) << content;
    std::filesystem::permissions(folder_.File(name),
                                 std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  }

  server::ServerOptions Options(const KeyPair& pair) const {
    WriteServerFiles(pair);
    server::ServerOptions options = LoopbackOptions();
    options.tls = {.certificate = folder_.File("tls.crt"), .key = folder_.File("tls.key")};
    return options;
  }
  void Start(const server::ServerOptions& options) {
    server_ = StartServer(options);
    address_ = server_->addresses()[0];
  }
  void StartMutual(const TestAuthority& client_authority) {
    server::ServerOptions options = Options(authority_.Issue(kHost));
    Write("ca.crt", client_authority.certificate());
    options.tls.client_ca = folder_.File("ca.crt");
    Start(options);
  }

  static std::shared_ptr<grpc::ChannelCredentials> Trust(const TestAuthority& authority, const KeyPair& own = {}) {
    return grpc::SslCredentials({authority.certificate(), own.key, own.certificate});
  }
  std::shared_ptr<grpc::Channel> Connect(const std::shared_ptr<grpc::ChannelCredentials>& credentials,
                                         const std::string& name = kHost) const {
    return MakeChannel(address_, credentials, name);
  }
  grpc::StatusCode Try(const std::shared_ptr<grpc::ChannelCredentials>& credentials,
                       const std::string& name = kHost) const {
    return Call(Connect(credentials, name), Method::kGetCapabilities).error_code();
  }

  // The protocol that a client which offers this version alone agrees on with the server; empty: none.
  std::string Handshake(int version) const;

  const TempFolder folder_;
  const TestAuthority authority_;
  const TestAuthority other_authority_;
  std::unique_ptr<server::Server> server_;
  std::string address_;
};

std::string TlsTest::Handshake(int version) const {
  const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  SSL_CTX_set_security_level(context.get(), 0);  // or the library itself refuses old versions
  SSL_CTX_set_min_proto_version(context.get(), version);
  SSL_CTX_set_max_proto_version(context.get(), version);
  constexpr unsigned char kHttp2[] = {2, 'h', '2'};
  SSL_CTX_set_alpn_protos(context.get(), kHttp2, sizeof(kHttp2));
  const std::unique_ptr<BIO, void (*)(BIO*)> connection(BIO_new_ssl_connect(context.get()), BIO_free_all);
  BIO_set_conn_hostname(connection.get(), address_.c_str());
  SSL* ssl = nullptr;
  BIO_get_ssl(connection.get(), &ssl);
  const bool connected = BIO_do_connect(connection.get()) == 1 && BIO_do_handshake(connection.get()) == 1;
  ERR_clear_error();
  return connected ? SSL_get_version(ssl) : "";
}

TEST_F(TlsTest, ClientThatTrustsTheAuthorityConnects) {
  Start(Options(authority_.Issue(kHost)));
  EXPECT_EQ(Try(Trust(authority_)), grpc::StatusCode::OK);
}

TEST_F(TlsTest, WrongHostNameIsRefused) {
  Start(Options(authority_.Issue("another.test")));
  EXPECT_EQ(Try(Trust(authority_)), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(TlsTest, CertificateOfAnotherAuthorityIsRefused) {
  Start(Options(other_authority_.Issue(kHost)));
  EXPECT_EQ(Try(Trust(authority_)), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(TlsTest, ExpiredCertificateIsRefused) {
  Start(Options(authority_.Issue(kHost, Validity::kExpired)));
  EXPECT_EQ(Try(Trust(authority_)), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(server_->Warnings(), Problem("has expired"));
}

TEST_F(TlsTest, PlainTextOnATlsPortIsRefused) {
  Start(Options(authority_.Issue(kHost)));
  EXPECT_EQ(Try(grpc::InsecureChannelCredentials(), ""), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(TlsTest, TlsOnAPlainPortIsRefused) {
  Start(LoopbackOptions());
  EXPECT_EQ(Try(Trust(authority_)), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(TlsTest, UnixSocketStaysPlain) {
  server::ServerOptions options = Options(authority_.Issue(kHost));
  options.listen = {"unix:" + folder_.File("socket")};
  Start(options);
  EXPECT_EQ(Try(grpc::InsecureChannelCredentials(), ""), grpc::StatusCode::OK);
  EXPECT_EQ(std::filesystem::status(folder_.File("socket")).permissions(), std::filesystem::perms(0660));
}

TEST_F(TlsTest, VersionsBefore12AreRefused) {
  Start(Options(authority_.Issue(kHost)));
  EXPECT_EQ(Handshake(TLS1_3_VERSION), "TLSv1.3");
  EXPECT_EQ(Handshake(TLS1_2_VERSION), "TLSv1.2");
  EXPECT_EQ(Handshake(TLS1_1_VERSION), "");
  EXPECT_EQ(Handshake(TLS1_VERSION), "");
}

TEST_F(TlsTest, ClientCertificateIsAskedFor) {
  StartMutual(authority_);
  EXPECT_EQ(Try(Trust(authority_, authority_.Issue("client"))), grpc::StatusCode::OK);
  EXPECT_EQ(Try(Trust(authority_)), grpc::StatusCode::UNAVAILABLE) << "no certificate";
  EXPECT_EQ(Try(Trust(authority_, authority_.Issue("client", Validity::kExpired))), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Try(Trust(authority_, other_authority_.Issue("client"))), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(TlsTest, ClientCertificateNamesTheTenant) {
  StartMutual(authority_);
  const auto channel = Connect(Trust(authority_, authority_.Issue("vision")));
  EXPECT_TRUE(Call(channel, Method::kGetCapabilities, {{"dcac-tenant", "vision"}}).ok());
  EXPECT_EQ(Call(channel, Method::kGetCapabilities, {{"dcac-tenant", "speech"}}).error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(Call(channel, Method::kGetStatus).error_code(), grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(TlsTest, TokenFileSaysWhatCertificatesMay) {
  server::ServerOptions options = Options(authority_.Issue(kHost));
  Write("ca.crt", authority_.certificate());
  Write("tokens", "[[certificate]]\ncommon_name = 'operator'\nname = 'n'\ntenant = 't'\nscopes = ['admin']\n");
  options.tls.client_ca = folder_.File("ca.crt");
  options.token_file = folder_.File("tokens");
  Start(options);
  const auto operators = Connect(Trust(authority_, authority_.Issue("operator")));
  EXPECT_TRUE(Call(operators, Method::kGetStatus).ok());
  EXPECT_EQ(Call(operators, Method::kCompressTensor).error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(Try(Trust(authority_, authority_.Issue("stranger"))), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(TlsTest, NewCertificatesCountForNewConnectionsAndOldOnesGoOn) {
  Start(Options(authority_.Issue(kHost)));
  const auto channel = Connect(Trust(authority_));
  const auto stub = v1::CompressionService::NewStub(channel);
  grpc::ClientContext context;
  AddMetadata({}, context);
  const auto stream = stub->BatchCompress(&context);
  v1::BatchCompressResponse response;
  ASSERT_TRUE(stream->Write(BatchItem()) && stream->Read(&response));

  WriteServerFiles(other_authority_.Issue(kHost));
  EXPECT_THAT(server_->ReloadFiles(), News("certificates: read anew, valid until 2"));
  EXPECT_EQ(Try(Trust(authority_)), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Try(Trust(other_authority_)), grpc::StatusCode::OK);

  ASSERT_TRUE(stream->Write(BatchItem()) && stream->Read(&response));
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_THAT(server_->ReloadFiles(), IsEmpty()) << "nothing has changed since";
}

TEST_F(TlsTest, NewAuthorityOfClientsCounts) {
  StartMutual(authority_);
  Write("ca.crt", other_authority_.certificate());
  EXPECT_THAT(server_->ReloadFiles(), News("certificates: read anew"));
  EXPECT_EQ(Try(Trust(authority_, authority_.Issue("client"))), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Try(Trust(authority_, other_authority_.Issue("client"))), grpc::StatusCode::OK);
}

TEST_F(TlsTest, WrongCertificatesLeaveThoseInUse) {
  Start(Options(authority_.Issue(kHost)));
  const KeyPair next = authority_.Issue(kHost);
  const KeyPair expired = authority_.Issue(kHost, Validity::kExpired);
  const KeyPair wrong[] = {
      {next.certificate, authority_.Issue(kHost).key},
      {next.certificate, "no key"},
      {"no certificate", next.key},
      {"", ""},
      {next.certificate + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", next.key},
      expired};
  for (const KeyPair& pair : wrong) {
    WriteServerFiles(pair);
    EXPECT_THAT(server_->ReloadFiles(), Problem("certificates stay as they were: "));
    EXPECT_EQ(Try(Trust(authority_)), grpc::StatusCode::OK);
  }
  std::filesystem::remove(folder_.File("tls.key"));
  EXPECT_THAT(server_->ReloadFiles(), Problem("certificates stay as they were: "));
  EXPECT_EQ(Try(Trust(authority_)), grpc::StatusCode::OK);
}

TEST_F(TlsTest, ServerDoesNotStartWithWrongFiles) {
  server::ServerOptions options = Options({"no certificate", "no key"});
  EXPECT_EQ(server::Server::Start(options).status().code(), absl::StatusCode::kInvalidArgument);
  WriteServerFiles(authority_.Issue(kHost));
  std::filesystem::permissions(options.tls.key, std::filesystem::perms(0644));
  EXPECT_THAT(std::string(server::Server::Start(options).status().message()), HasSubstr("all users may read"));
  options.tls.key = folder_.File("none");
  EXPECT_EQ(server::Server::Start(options).status().code(), absl::StatusCode::kNotFound);
}

class ClientLibraryTest : public TlsTest {
 protected:
  ClientLibraryTest() {
    server::ServerOptions options = Options(authority_.Issue(kHost));
    Write("ca.crt", authority_.certificate());
    Write("other.crt", other_authority_.certificate());
    Write("tokens", absl::StrCat("[[token]]\nname = 'n'\ntenant = 'vision'\nscopes = ['write', 'read']\nsha256 = '",
                                 server::HashText(server::HashToken("secret")), "'\n"));
    options.token_file = folder_.File("tokens");
    Start(options);
    good_ = {.connect_timeout = std::chrono::milliseconds(30'000),
             .codec = client::Codec::kServer,
             .tls = client::TlsOptions{.ca_file = folder_.File("ca.crt"), .server_name = kHost},
             .token = "secret",
             .retry = {.max_attempts = 1}};
  }

  // Of a connection and a call.
  absl::StatusCode CodeOf(const client::ClientOptions& options) const {
    const auto client = client::Client::Connect(address_, options);
    return client.ok() ? client->Compress(tensor_.spec, tensor_.data).status().code() : client.status().code();
  }

  const Tensor tensor_ = MakeTensor(1);
  client::ClientOptions good_;
};

TEST_F(ClientLibraryTest, TensorComesBackOverTls) {
  const client::Client client = ConnectTo(address_, good_);
  const absl::StatusOr<Bytes> frame = client.Compress(tensor_.spec, tensor_.data);
  ASSERT_TRUE(frame.ok()) << frame.status();
  EXPECT_EQ(client.Decompress(*frame)->data, tensor_.data);
}

TEST_F(ClientLibraryTest, WhatTheClientShowsIsLookedAt) {
  client::ClientOptions options = good_;
  options.token = "wrong";
  EXPECT_EQ(CodeOf(options), absl::StatusCode::kUnauthenticated);
  options.token.clear();
  EXPECT_EQ(CodeOf(options), absl::StatusCode::kUnauthenticated);
  options = good_;
  options.tenant = "speech";
  EXPECT_EQ(CodeOf(options), absl::StatusCode::kPermissionDenied);
}

TEST_F(ClientLibraryTest, WhatTheServerShowsIsLookedAt) {
  client::ClientOptions options = good_;
  options.connect_timeout = std::chrono::milliseconds(500);
  options.tls->server_name = "another.test";
  EXPECT_EQ(CodeOf(options), absl::StatusCode::kUnavailable);
  options.tls->server_name = kHost;
  options.tls->ca_file = folder_.File("other.crt");
  EXPECT_EQ(CodeOf(options), absl::StatusCode::kUnavailable);
  options.tls.reset();
  EXPECT_EQ(CodeOf(options), absl::StatusCode::kUnavailable) << "plain text";
}

}  // namespace
}  // namespace dcac::testing
