// What the tests of sessions share: inputs, and driving a session without a reactor.
#ifndef DCAC_SERVER_SESSION_DRIVER_H_
#define DCAC_SERVER_SESSION_DRIVER_H_

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "dcac/tensor.h"
#include "proto/wire/convert.h"
#include "server/session.h"

namespace dcac::server {

using Bytes = std::vector<std::byte>;

inline const TensorSpec kSpec{DType::kU8, {3, 20, 30}, Layout::kNchw};

inline Bytes SmoothBytes(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>((i / 7 + i % 3) & 0xff);
  return bytes;
}

template <typename Request>
Request ChunkRequest(std::uint64_t offset, std::span<const std::byte> bytes) {
  Request request;
  request.mutable_chunk()->set_offset(offset);
  request.mutable_chunk()->set_data(bytes.data(), bytes.size());
  return request;
}

template <typename Response>
struct Outcome {
  absl::Status status;
  std::vector<Response> replies;

  // The data of all chunks.
  Bytes output() const {
    Bytes bytes;
    for (const Response& reply : replies) {
      if (!reply.has_chunk()) continue;
      EXPECT_EQ(reply.chunk().offset(), bytes.size());
      const auto data = wire::AsBytes(reply.chunk().data());
      bytes.insert(bytes.end(), data.begin(), data.end());
    }
    return bytes;
  }
};

// Does with a session what the reactor does.
template <typename Request, typename Response>
absl::Status WorkOff(Session<Request, Response>& session, std::vector<Response>* replies) {
  while (true) {
    Response reply;
    while (session.NextReply(&reply)) {
      if constexpr (requires { reply.mutable_chunk(); }) {
        const wire::SharedBytes data = session.TakeChunkData();
        if (!data.bytes.empty()) reply.mutable_chunk()->set_data(data.bytes.data(), data.bytes.size());
      }
      replies->push_back(std::exchange(reply, Response()));
    }
    if (session.idle()) return absl::OkStatus();
    if (absl::Status status = session.Work(); !status.ok()) return status;
  }
}

template <typename Request, typename Response>
Outcome<Response> Drive(Session<Request, Response>& session, std::vector<Request> requests, bool end = true) {
  Outcome<Response> outcome;
  for (Request& request : requests) {
    outcome.status = session.Accept(std::move(request));
    if (outcome.status.ok()) outcome.status = WorkOff(session, &outcome.replies);
    if (!outcome.status.ok()) return outcome;
  }
  if (end) outcome.status = session.AcceptEnd();
  if (outcome.status.ok()) outcome.status = WorkOff(session, &outcome.replies);
  return outcome;
}

}  // namespace dcac::server

#endif  // DCAC_SERVER_SESSION_DRIVER_H_
