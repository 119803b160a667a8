// Every call of the contract through generated stubs, with as much as it takes to get an answer.
#ifndef DCAC_TESTS_INTEGRATION_RAW_CALLS_H_
#define DCAC_TESTS_INTEGRATION_RAW_CALLS_H_

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "dcac/v1/compression.pb.h"
#include "server/call_info.h"

namespace dcac::testing {

// Who has not answered by then hangs.
inline constexpr std::chrono::seconds kHung{60};

using Metadata = std::map<std::string, std::string>;

// Channels share no connections with others.
std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address,
                                           const std::shared_ptr<grpc::ChannelCredentials>& credentials,
                                           const std::string& server_name = "");

// With the metadata "authorization" of `token`.
Metadata WithToken(const std::string& token);
void AddMetadata(const Metadata& metadata, grpc::ClientContext& context);

// Streams end without a message.  What the server says of empty requests is an answer, too.
grpc::Status Call(const std::shared_ptr<grpc::Channel>& channel, server::Method method, const Metadata& metadata = {});

// Begins a Decompress stream: a header, which announces `stored_bytes`, and the frame as one chunk.  The server may end
// the call meanwhile.
using DecompressStream = grpc::ClientReaderWriter<v1::DecompressRequest, v1::DecompressResponse>;
void WriteFrame(std::span<const std::byte> frame, DecompressStream& call, std::uint64_t stored_bytes = 0);

// One item, of 64 bytes.
v1::BatchCompressRequest BatchItem();

}  // namespace dcac::testing

#endif  // DCAC_TESTS_INTEGRATION_RAW_CALLS_H_
