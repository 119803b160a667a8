#include "client/internal/call_metadata.h"

#include <algorithm>
#include <random>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/internal/small_file.h"
#include "core/base/status_macros.h"

namespace dcac::client::internal {
namespace {

constexpr std::size_t kMaxTokenBytes = 4096;
constexpr std::size_t kMaxNameBytes = 64;

absl::StatusOr<std::string> TokenOf(const ClientOptions& options) {
  if (options.token_file.empty()) return options.token;
  if (!options.token.empty()) {
    return absl::InvalidArgumentError("token and token_file are both given, expected one of them");
  }
  DCAC_ASSIGN_OR_RETURN(std::string token, ReadSmallFile("token_file", options.token_file));
  absl::StripAsciiWhitespace(&token);
  if (token.empty()) return absl::InvalidArgumentError("token_file is empty, expected a token");
  return token;
}

absl::Status CheckConfidential(const ClientOptions& options, const std::vector<Target>& targets) {
  if (options.tls || options.allow_insecure_token) return absl::OkStatus();
  for (const Target& target : targets) {
    if (target.local) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("a token is given for ", target.address, " without TLS, expected TLS or allow_insecure_token"));
  }
  return absl::OkStatus();
}

std::string RandomName() {
  std::random_device random;
  const std::uint64_t high = random(), low = random();
  return absl::StrCat(absl::Hex(high << 32 | low, absl::kZeroPad16));
}

}  // namespace

absl::Status CheckMetadataValue(const std::string& name, const std::string& value, std::size_t max_bytes) {
  if (value.size() > max_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": ", value.size(), " characters exceed ", max_bytes));
  }
  const auto visible = [](unsigned char c) { return c > 0x20 && c < 0x7f; };
  if (std::ranges::all_of(value, visible)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, " has a space or another character that is not visible ASCII"));
}

absl::StatusOr<Metadata> CallMetadata(const ClientOptions& options, const std::vector<Target>& targets) {
  DCAC_ASSIGN_OR_RETURN(const std::string token, TokenOf(options));
  DCAC_RETURN_IF_ERROR(CheckMetadataValue("token", token, kMaxTokenBytes));
  DCAC_RETURN_IF_ERROR(CheckMetadataValue("tenant", options.tenant, kMaxNameBytes));
  DCAC_RETURN_IF_ERROR(CheckMetadataValue("caller", options.caller, kMaxNameBytes));
  Metadata metadata;
  if (!token.empty()) {
    DCAC_RETURN_IF_ERROR(CheckConfidential(options, targets));
    metadata.emplace_back("authorization", absl::StrCat("Bearer ", token));
  }
  if (!options.tenant.empty()) metadata.emplace_back("dcac-tenant", options.tenant);
  metadata.emplace_back("dcac-caller", options.caller.empty() ? RandomName() : options.caller);
  return metadata;
}

}  // namespace dcac::client::internal
