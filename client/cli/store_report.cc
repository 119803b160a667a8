#include "client/cli/store_report.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "client/cli/file_run.h"
#include "client/cli/progress_bar.h"
#include "client/cli/server_client.h"
#include "client/cli/store_files.h"

namespace dcac::cli {
namespace {

using std::chrono::system_clock;

std::int64_t Milliseconds(system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

}  // namespace

Json ToJson(const client::StoredObject& object) {
  const bool tensor = object.kind == client::ObjectKind::kTensor;
  Json json = {{"key", object.key}, {"kind", tensor ? "tensor" : "archive"}};
  if (tensor) {
    json["dtype"] = DTypeName(object.spec.dtype);
    json["layout"] = LayoutName(object.spec.layout);
    json["shape"] = object.spec.shape;
  }
  json.update({{"raw_bytes", object.raw_bytes},
               {"stored_bytes", object.stored_bytes},
               {"ratio", Ratio(object.raw_bytes, object.stored_bytes)},
               {"digest", DigestToHex(object.digest)},
               {"created_ms", Milliseconds(object.created)},
               {"expires_ms", object.expires ? Json(Milliseconds(*object.expires)) : Json()},
               {"pinned", object.pinned},
               {"version", object.version}});
  return json;
}

std::string AgeText(system_clock::duration age) {
  const std::int64_t seconds = std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(age).count());
  constexpr std::int64_t kMinute = 60, kHour = 60 * kMinute, kDay = 24 * kHour;
  if (seconds < 2 * kMinute) return absl::StrCat(seconds, "s");
  if (seconds < 2 * kHour) return absl::StrCat(seconds / kMinute, "m");
  if (seconds < 2 * kDay) return absl::StrCat(seconds / kHour, "h");
  return absl::StrCat(seconds / kDay, "d");
}

std::string TtlText(const client::StoredObject& object, system_clock::time_point now) {
  return object.expires ? AgeText(*object.expires - now) : "-";
}

int RunOnStore(const ServerOptions& server, bool json,
               const std::function<absl::Status(const client::Store& store, Report& report)>& work) {
  ProgressBar progress(false, ProgressBar::Direction::kCompress);
  Report report({.json = json}, progress);
  const absl::StatusOr<client::Client> client = ConnectToServer(server);
  const absl::Status status = client.ok() ? FromStore(work(client::Store(*client), report)) : client.status();
  if (!status.ok()) report.Failure(server.targets, status);
  return report.exit_code();
}

void PrintResult(Report& report, const Json& json, const std::string& text) {
  FileReport lines(report.options());
  lines.Result(json, text);
  report.Results(lines);
}

}  // namespace dcac::cli
