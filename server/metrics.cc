#include "server/metrics.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <optional>
#include <string_view>

#include "proto/wire/retry_info.h"
#include "server/call_log.h"

namespace dcac::server {
namespace {

// What the status of an ended call tells of it.
std::optional<Refusal> RefusalOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnauthenticated:
      return Refusal::kAuthentication;
    case absl::StatusCode::kPermissionDenied:
      return Refusal::kPermission;
    case absl::StatusCode::kResourceExhausted:
      return wire::RetryDelay(status) ? Refusal::kBudget : Refusal::kLimit;
    default:
      return std::nullopt;
  }
}

CallRecord MakeRecord(const CallInfo& info, const CallFacts& facts, const absl::Status& status) {
  CallRecord record;
  record.request_id = info.request_id;
  record.trace = info.trace;
  record.method = MethodName(info.method);
  record.tenant = info.tenant;
  record.caller = info.caller;
  record.peer = info.peer;
  if (facts.dtype) record.dtype = DTypeName(*facts.dtype);
  record.level = facts.level;
  record.raw_bytes = facts.raw_bytes;
  record.stored_bytes = facts.stored_bytes;
  record.code = absl::StatusCodeToString(status.code());
  record.message = std::string(status.message());
  record.end = std::chrono::system_clock::now();
  record.duration = std::chrono::steady_clock::now() - info.start;
  return record;
}

void Add(std::atomic<std::uint64_t>& counter, std::uint64_t value) {
  counter.fetch_add(value, std::memory_order_relaxed);
}

}  // namespace

void Metrics::OnRequest(std::size_t message_bytes) {
  Add(request_bytes_, message_bytes);
  received_.Add(message_bytes);
}

void Metrics::OnResponse(std::size_t message_bytes) {
  Add(response_bytes_, message_bytes);
  sent_.Add(message_bytes);
}

void Metrics::OnCallEnd(const CallInfo& info, CallFacts facts, const absl::Status& status) {
  Add(calls_.at(static_cast<std::size_t>(status.code())), 1);
  if (!facts.refusal) facts.refusal = RefusalOf(status);
  const CallRecord record = MakeRecord(info, facts, status);
  call_metrics_.OnCallEnd(info, facts, status.code(), record.duration);
  if (status.ok()) CountTensor(info.method, facts);
  slow_calls_.Add(record);
  if (log_ != nullptr) LogCall(*log_, record, facts.refusal);
}

void Metrics::CountTensor(Method method, const CallFacts& facts) {
  const std::optional<Direction> direction = DirectionOf(method);
  if (!direction || !facts.dtype) return;
  Totals& totals = totals_.at(static_cast<std::size_t>(*direction)).at(static_cast<std::size_t>(*facts.dtype));
  Add(totals.calls, 1);
  Add(totals.raw_bytes, facts.raw_bytes);
  Add(totals.stored_bytes, facts.stored_bytes);
}

std::uint64_t Metrics::all_calls() const {
  std::uint64_t sum = 0;
  for (const auto& count : calls_) sum += count.load(std::memory_order_relaxed);
  return sum;
}

std::vector<prometheus::MetricFamily> Metrics::Collect() const {
  std::vector<prometheus::MetricFamily> families = call_metrics_.Collect();
  std::ranges::move(store_metrics_.Collect(), std::back_inserter(families));
  return families;
}

void Metrics::Fill(StatusReport* report) const {
  for (std::size_t i = 0; i < kNumCodes; ++i) {
    const auto code = static_cast<absl::StatusCode>(i);
    if (calls(code) != 0) report->calls_by_code.emplace_back(absl::StatusCodeToString(code), calls(code));
  }
  for (const DType dtype : AllDTypes()) {
    for (const Direction direction : {Direction::kCompress, Direction::kDecompress}) {
      const Totals& totals = totals_.at(static_cast<std::size_t>(direction)).at(static_cast<std::size_t>(dtype));
      if (totals.calls.load(std::memory_order_relaxed) == 0) continue;
      report->dtypes.push_back({.direction = DirectionName(direction),
                                .dtype = DTypeName(dtype),
                                .calls = totals.calls.load(std::memory_order_relaxed),
                                .raw_bytes = totals.raw_bytes.load(std::memory_order_relaxed),
                                .stored_bytes = totals.stored_bytes.load(std::memory_order_relaxed)});
    }
  }
  report->received_per_second = received_.BytesPerSecond();
  report->sent_per_second = sent_.BytesPerSecond();
  report->slowest_calls = slow_calls_.Slowest(std::chrono::system_clock::now());
}

}  // namespace dcac::server
