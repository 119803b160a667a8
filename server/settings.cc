#include "server/settings.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "core/base/status_macros.h"
#include "server/setting_values.h"
#include "server/telemetry/log_event.h"

namespace dcac::server {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kDay{86'400'000};
constexpr std::string_view kListening = "Addresses";
constexpr std::string_view kSecurity = "Certificates and tokens";
constexpr std::string_view kWork = "Work and memory";
constexpr std::string_view kStore = "Store";
constexpr std::string_view kConnections = "Connections";
constexpr std::string_view kStopping = "Stopping";
constexpr std::string_view kObservation = "Observation";

using O = ServerOptions;

constexpr const char* kFsyncNames[] = {"none", "interval", "each"};

// The member of the options at the end of the path.
template <auto... kPath>
auto& Of(O& options) {
  return (options.*....*kPath);
}

const std::array kSettings = {
    Setting{"listen", kListening, ListField{Of<&O::listen>, "ADDRESS"}, Change::kOnRestart,
            "Addresses to listen on, unix:PATH or HOST:PORT; port 0 is any free one"},
    Setting{"unix_socket_mode", kListening, ModeField{Of<&O::unix_socket_mode>}, Change::kOnRestart,
            "Permissions of Unix sockets"},
    Setting{"insecure", kListening, SwitchField{Of<&O::insecure>}, Change::kOnRestart,
            "Listen where others can connect even without TLS and authentication"},
    Setting{"tls_certificate_file", kSecurity, TextField{Of<&O::tls, &TlsFiles::certificate>, "FILE"},
            Change::kOnRestart, "Certificate and its chain, PEM; HOST:PORT addresses then speak TLS only"},
    Setting{"tls_key_file", kSecurity, TextField{Of<&O::tls, &TlsFiles::key>, "FILE"}, Change::kOnRestart,
            "Private key of the certificate, PEM; not readable for all"},
    Setting{"tls_client_ca_file", kSecurity, TextField{Of<&O::tls, &TlsFiles::client_ca>, "FILE"}, Change::kOnRestart,
            "Clients must show a certificate of this authority, PEM"},
    Setting{"token_file", kSecurity, TextField{Of<&O::token_file>, "FILE"}, Change::kOnRestart,
            "Hashes of tokens with tenants and scopes; calls then need a token; not readable for all"},
    Setting{"reload_interval", kSecurity, DurationField{Of<&O::reload_interval>, milliseconds(0), kDay},
            Change::kOnReload, "How often the files of certificates and tokens are read again; 0: on reload alone"},
    Setting{"threads", kWork, IntField{Of<&O::threads>, 0, 1024}, Change::kOnRestart,
            "Threads that code segments; 0: as many as there are processors"},
    Setting{"max_tensor_bytes", kWork, SizeField{Of<&O::limits, &Limits::max_tensor_bytes>, 1}, Change::kOnReload,
            "Largest tensor, raw"},
    Setting{"max_slab_bytes", kWork, SizeField{Of<&O::limits, &Limits::max_slab_bytes>, 1}, Change::kOnReload,
            "Raw bytes that a stream may hold at a time to code them"},
    Setting{"budget_bytes", kWork, SizeField{Of<&O::limits, &Limits::budget_bytes>, 0}, Change::kOnReload,
            "Memory of all calls together; 0: a quarter of the machine's or container's, at most 4GiB"},
    Setting{"max_streams", kWork, CountField{Of<&O::limits, &Limits::max_streams>, 1}, Change::kOnReload,
            "Calls that are open at a time; more are refused"},
    Setting{"stream_idle_timeout", kWork, DurationField{Of<&O::stream_idle_timeout>, milliseconds(1), kDay},
            Change::kOnRestart, "A stream whose client neither sends nor reads for so long is ended"},
    Setting{"store", kStore, TextField{Of<&O::store, &StoreOptions::location>, "LOCATION"}, Change::kOnRestart,
            "Where objects are kept: local:FOLDER, s3:BUCKET[/PREFIX], memory: or none; empty: in the folder of the "
            "server's state"},
    Setting{"store_capacity_bytes", kStore, SizeField{Of<&O::store, &StoreOptions::capacity_bytes>, 0},
            Change::kOnRestart, "Stored bytes beyond which the least recently used objects are evicted; 0: no bound"},
    Setting{"store_quota_bytes", kStore, SizeField{Of<&O::store, &StoreOptions::quota_bytes>, 0}, Change::kOnRestart,
            "Stored bytes of each tenant beyond which puts are refused; 0: no bound"},
    Setting{"store_free_bytes", kStore, SizeField{Of<&O::store, &StoreOptions::free_bytes>, 0}, Change::kOnRestart,
            "Bytes of a local store's disk that puts leave free, at most an eighth of it"},
    Setting{"store_fsync", kStore, ChoiceField{Of<&O::store, &StoreOptions::fsync>, kFsyncNames}, Change::kOnRestart,
            "When objects are durable: each (before they are acknowledged), interval, none"},
    Setting{"store_fsync_interval", kStore,
            DurationField{Of<&O::store, &StoreOptions::fsync_interval>, milliseconds(1), kDay}, Change::kOnRestart,
            "With interval: how much time a crash of the machine may cost"},
    Setting{"store_upload_ttl", kStore,
            DurationField{Of<&O::store, &StoreOptions::upload_ttl>, milliseconds(1000), 30 * kDay}, Change::kOnRestart,
            "How long an upload that broke off may go on"},
    Setting{"store_scrub_bytes_per_second", kStore, SizeField{Of<&O::store, &StoreOptions::scrub_bytes_per_second>, 0},
            Change::kOnRestart, "How fast all objects are read again to find damage; 0: they are not"},
    Setting{"store_cache_bytes", kStore, SizeField{Of<&O::store, &StoreOptions::cache_bytes>, 0}, Change::kOnRestart,
            "Memory for parts of objects that were read, for stores behind a network; 0: no cache"},
    Setting{"store_threads", kStore, IntField{Of<&O::store, &StoreOptions::threads>, 1, 1024}, Change::kOnRestart,
            "Threads of the store, which wait for disks and networks"},
    Setting{"store_s3_endpoint", kStore, TextField{Of<&O::store, &StoreOptions::s3_endpoint>, "URL"},
            Change::kOnRestart, "Endpoint of the S3 store; empty: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL or AWS itself"},
    Setting{"store_s3_region", kStore, TextField{Of<&O::store, &StoreOptions::s3_region>, "REGION"}, Change::kOnRestart,
            "Region of the S3 store; empty: AWS_REGION, AWS_DEFAULT_REGION or us-east-1"},
    Setting{"keepalive_time", kConnections,
            DurationField{Of<&O::connections, &ConnectionOptions::keepalive_time>, milliseconds(1000), kDay},
            Change::kOnRestart, "Time between pings that find peers that vanished"},
    Setting{"keepalive_timeout", kConnections,
            DurationField{Of<&O::connections, &ConnectionOptions::keepalive_timeout>, milliseconds(1000), kDay},
            Change::kOnRestart, "A connection that leaves a ping unanswered for so long is closed"},
    Setting{"min_client_ping_interval", kConnections,
            DurationField{Of<&O::connections, &ConnectionOptions::min_client_ping_interval>, milliseconds(0), kDay},
            Change::kOnRestart, "A client that pings more often is cut off"},
    Setting{"max_connection_age", kConnections,
            DurationField{Of<&O::connections, &ConnectionOptions::max_age>, milliseconds(0), kDay}, Change::kOnRestart,
            "Age at which clients are told to connect anew, to spread over servers; 0: none"},
    Setting{"max_connection_age_grace", kConnections,
            DurationField{Of<&O::connections, &ConnectionOptions::max_age_grace>, milliseconds(0), kDay},
            Change::kOnRestart, "Time that running calls have after that"},
    Setting{"bdp_probe", kConnections, SwitchField{Of<&O::connections, &ConnectionOptions::bdp_probe>},
            Change::kOnRestart, "Windows grow with what the network holds: faster over distance, more memory"},
    Setting{"lame_duck_ms", kStopping,
            DurationField{Of<&O::lame_duck>, milliseconds(0), milliseconds(600'000), milliseconds(1)},
            Change::kOnReload, "On SIGTERM: milliseconds in which calls are still taken"},
    Setting{"drain_seconds", kStopping, DurationField{Of<&O::drain>, milliseconds(0), kDay, milliseconds(1000)},
            Change::kOnReload, "On SIGTERM: seconds in which running calls may end"},
    Setting{"reflection", kObservation, SwitchField{Of<&O::reflection>}, Change::kOnRestart,
            "Anybody who can connect may ask for the contract (gRPC reflection), without a token"},
    Setting{"channelz", kObservation, SwitchField{Of<&O::channelz>}, Change::kOnRestart,
            "Anybody who can connect may ask for the state of connections (channelz), without a token"},
    Setting{"metrics_listen", kObservation, TextField{Of<&O::metrics_listen>, "HOST:PORT"}, Change::kOnRestart,
            "Address of metrics and status page over HTTP; empty: none"},
    Setting{"metrics_allow_remote", kObservation, SwitchField{Of<&O::metrics_allow_remote>}, Change::kOnRestart,
            "metrics_listen may be reached by others, in plain text and without a token"},
    Setting{"log_level", kObservation, ChoiceField{Of<&O::log_level>, kLogLevelNames}, Change::kOnReload,
            "The least level that is logged"},
    Setting{"log_format", kObservation, ChoiceField{Of<&O::log_format>, kLogFormatNames}, Change::kOnRestart,
            "How a line of the log is written"},
};

bool HasControlCharacter(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return absl::ascii_iscntrl(static_cast<unsigned char>(c)); });
}

std::string Quoted(std::string_view text) {
  return absl::StrCat("\"", absl::StrReplaceAll(std::string(text), {{"\\", "\\\\"}, {"\"", "\\\""}}), "\"");
}

absl::Status OutOfRange(const std::string& found, const std::string& expected) {
  return absl::InvalidArgumentError(absl::StrCat("found ", found, ", expected ", expected));
}

absl::Status StoreAtLeast(std::uint64_t min, std::uint64_t value, std::uint64_t& to) {
  if (value < min) return OutOfRange(absl::StrCat(value), absl::StrCat("at least ", min));
  to = value;
  return absl::OkStatus();
}

// Reads a value of each kind.
struct Store {
  const std::string& text;
  ServerOptions& options;

  absl::Status operator()(const SwitchField& field) const {
    DCAC_ASSIGN_OR_RETURN(field.of(options), ParseSwitch(text));
    return absl::OkStatus();
  }
  absl::Status operator()(const IntField& field) const {
    DCAC_ASSIGN_OR_RETURN(const std::uint64_t value, ParseCount(text));
    if (std::cmp_less(value, field.min) || std::cmp_greater(value, field.max)) {
      return OutOfRange(absl::StrCat(value), absl::StrCat(field.min, " to ", field.max));
    }
    field.of(options) = static_cast<int>(value);
    return absl::OkStatus();
  }
  absl::Status operator()(const CountField& field) const {
    DCAC_ASSIGN_OR_RETURN(const std::uint64_t value, ParseCount(text));
    return StoreAtLeast(field.min, value, field.of(options));
  }
  absl::Status operator()(const SizeField& field) const {
    DCAC_ASSIGN_OR_RETURN(const std::uint64_t value, ParseSize(text));
    return StoreAtLeast(field.min, value, field.of(options));
  }
  absl::Status operator()(const DurationField& field) const {
    DCAC_ASSIGN_OR_RETURN(const milliseconds value, ParseDuration(text, field.unit));
    if (value < field.min || value > field.max) {
      return OutOfRange(FormatDuration(value),
                        absl::StrCat(FormatDuration(field.min), " to ", FormatDuration(field.max)));
    }
    field.of(options) = value;
    return absl::OkStatus();
  }
  absl::Status operator()(const ModeField& field) const {
    DCAC_ASSIGN_OR_RETURN(field.of(options), ParseMode(text));
    return absl::OkStatus();
  }
  absl::Status operator()(const TextField& field) const {
    field.of(options) = text;
    return absl::OkStatus();
  }
  absl::Status operator()(const ChoiceField& field) const {
    if (std::ranges::none_of(field.choices, [&](const char* choice) { return text == choice; })) {
      return OutOfRange(Quoted(text), absl::StrJoin(field.choices, ", "));
    }
    field.of(options) = text;
    return absl::OkStatus();
  }
  absl::Status operator()(const ListField& field) const {
    field.of(options).push_back(text);
    return absl::OkStatus();
  }
};

// Writes a value of each kind.
struct Show {
  ServerOptions& options;

  std::string operator()(const SwitchField& field) const { return field.of(options) ? "true" : "false"; }
  std::string operator()(const IntField& field) const { return absl::StrCat(field.of(options)); }
  std::string operator()(const CountField& field) const { return absl::StrCat(field.of(options)); }
  std::string operator()(const SizeField& field) const {
    const std::string text = FormatSize(field.of(options));
    return absl::ascii_isdigit(static_cast<unsigned char>(text.back())) ? text : Quoted(text);
  }
  std::string operator()(const DurationField& field) const {
    const milliseconds value = field.of(options);
    return field.unit.count() == 0 ? Quoted(FormatDuration(value)) : absl::StrCat(value / field.unit);
  }
  std::string operator()(const ModeField& field) const { return Quoted(FormatMode(field.of(options))); }
  std::string operator()(const TextField& field) const { return Quoted(field.of(options)); }
  std::string operator()(const ChoiceField& field) const { return Quoted(field.of(options)); }
  std::string operator()(const ListField& field) const {
    return absl::StrCat(
        "[",
        absl::StrJoin(field.of(options), ", ",
                      [](std::string* out, const std::string& element) { out->append(Quoted(element)); }),
        "]");
  }
};

struct NameOfValue {
  std::string operator()(const SwitchField&) const { return "true|false"; }
  std::string operator()(const IntField&) const { return "NUMBER"; }
  std::string operator()(const CountField&) const { return "NUMBER"; }
  std::string operator()(const SizeField&) const { return "SIZE"; }
  std::string operator()(const DurationField& field) const { return field.unit.count() == 0 ? "DURATION" : "NUMBER"; }
  std::string operator()(const ModeField&) const { return "MODE"; }
  std::string operator()(const TextField& field) const { return field.what; }
  std::string operator()(const ChoiceField& field) const { return absl::StrJoin(field.choices, "|"); }
  std::string operator()(const ListField& field) const { return field.what; }
};

}  // namespace

std::span<const Setting> Settings() {
  return kSettings;
}

std::string FlagName(const Setting& setting) {
  return absl::StrCat("--", absl::StrReplaceAll(std::string(setting.key), {{"_", "-"}}));
}

std::string EnvironmentName(const Setting& setting) {
  return absl::StrCat(std::string(kEnvironmentPrefix), absl::AsciiStrToUpper(std::string(setting.key)));
}

std::string ValueName(const Setting& setting) {
  return std::visit(NameOfValue(), setting.field);
}

absl::Status SetValue(const Setting& setting, std::span<const std::string> texts, ServerOptions& options) {
  if (const auto* list = std::get_if<ListField>(&setting.field)) {
    list->of(options).clear();
  } else if (texts.size() != 1) {
    return OutOfRange(absl::StrCat(texts.size(), " values"), "one");
  }
  for (const std::string& text : texts) {
    if (HasControlCharacter(text)) return OutOfRange("a control character", "none");
    DCAC_RETURN_IF_ERROR(std::visit(Store{text, options}, setting.field));
  }
  return absl::OkStatus();
}

void CopyValue(const Setting& setting, ServerOptions& from, ServerOptions& to) {
  std::visit([&](const auto& field) { field.of(to) = field.of(from); }, setting.field);
}

std::vector<std::pair<std::string, std::string>> ShownSettings(const ServerOptions& options) {
  std::vector<std::pair<std::string, std::string>> shown;
  for (const Setting& setting : Settings()) {
    std::string value = TomlValue(setting, options);
    // What TOML needs as quotes.
    if (value.starts_with('"')) value = value.substr(1, value.size() - 2);
    if (ValueName(setting) == "FILE") value = value.empty() ? "not set" : "set";
    shown.emplace_back(setting.key, std::move(value));
  }
  return shown;
}

std::string TomlValue(const Setting& setting, ServerOptions options) {
  return std::visit(Show{options}, setting.field);
}

}  // namespace dcac::server
