#include "client/cli/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"

namespace dcac::cli {
namespace {

constexpr int kVersion = 1;
constexpr std::size_t kDigits = 16;
constexpr int kMostUnsyncedRecords = 64;
constexpr auto kLongestUnsynced = std::chrono::seconds(1);

std::string Checksum(std::string_view text) {
  char digits[kDigits + 1];
  std::snprintf(digits, sizeof digits, "%016llx",
                static_cast<unsigned long long>(XXH3_64bits(text.data(), text.size())));
  return digits;
}

// Paths are bytes, JSON strings are not: all but printable ASCII is written as %XX, and so is %.
std::string Escape(std::string_view bytes) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > 0x20 && byte < 0x7f && byte != '%') {
      text += c;
    } else {
      text.append({'%', kHex[byte >> 4], kHex[byte & 15]});
    }
  }
  return text;
}

std::string Unescape(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      bytes += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    } else {
      bytes += text[i];
    }
  }
  return bytes;
}

nlohmann::json ToJson(const FileIdentity& identity) {
  return {{"size", identity.size},
          {"mtime_ns", identity.mtime_ns},
          {"ctime_ns", identity.ctime_ns},
          {"inode", identity.inode}};
}

FileIdentity IdentityFrom(const nlohmann::json& json) {
  FileIdentity identity;
  json.at("size").get_to(identity.size);
  json.at("mtime_ns").get_to(identity.mtime_ns);
  json.at("ctime_ns").get_to(identity.ctime_ns);
  json.at("inode").get_to(identity.inode);
  return identity;
}

// The object of a line without its end; nothing when the line is damaged.
std::optional<nlohmann::json> ParseLine(std::string_view line) {
  if (line.size() <= kDigits || line[kDigits] != ' ') return std::nullopt;
  const std::string_view text = line.substr(kDigits + 1);
  if (Checksum(text) != line.substr(0, kDigits)) return std::nullopt;
  nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  return json;
}

absl::StatusOr<std::string> ReadAll(int fd) {
  std::string content;
  constexpr std::size_t kPiece = std::size_t{1} << 20;
  while (true) {
    const std::size_t before = content.size();
    content.resize(before + kPiece);
    const ssize_t n = ::pread(fd, content.data() + before, kPiece, static_cast<off_t>(before));
    if (n < 0 && errno != EINTR) return absl::ErrnoToStatus(errno, "cannot read");
    content.resize(before + static_cast<std::size_t>(n < 0 ? 0 : n));
    if (n == 0) return content;
  }
}

absl::Status Damaged(std::size_t line) {
  return absl::DataLossError(absl::StrCat("line ", line,
                                          " is damaged, expected a record; remove the file to let "
                                          "--resume compare every output with its source"));
}

absl::Status CheckSettings(const nlohmann::json& found, const JournalSettings& settings) {
  for (const auto& [name, value] : settings) {
    const std::string before = Unescape(found.value(name, std::string()));
    if (before == value) continue;
    return absl::FailedPreconditionError(absl::StrCat("is of a run with ", name, "=", before, ", expected ", name, "=",
                                                      value,
                                                      "; run without --resume, or with --force to keep what is done"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Journal>> Journal::Open(const std::string& folder, const JournalSettings& settings,
                                                       const OpenOptions& options) {
  std::string path = JoinPath(folder, kJournalName);
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (fd < 0) return absl::ErrnoToStatus(errno, "cannot open");
  std::unique_ptr<Journal> journal(new Journal(std::move(path), fd));
  struct stat info;
  if (::fstat(fd, &info) != 0) return absl::ErrnoToStatus(errno, "cannot look at it");
  if (!S_ISREG(info.st_mode)) return absl::InvalidArgumentError("is no regular file, expected a journal or nothing");
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return absl::ErrnoToStatus(errno, "cannot lock");
    return absl::AbortedError("another run is at work in this folder, expected none");
  }
  if (options.resume) {
    DCAC_RETURN_IF_ERROR(journal->Load(settings, options));
  }
  if (journal->end_ == 0) {
    DCAC_RETURN_IF_ERROR(journal->Begin(settings));
  }
  return journal;
}

Journal::~Journal() {
  ::close(fd_);
}

absl::Status Journal::Load(const JournalSettings& settings, const OpenOptions& options) {
  DCAC_ASSIGN_OR_RETURN(const std::string content, ReadAll(fd_));
  std::size_t begin = 0, line_number = 0, damaged = 0;
  for (std::size_t end; (end = content.find('\n', begin)) != std::string::npos; begin = end + 1) {
    ++line_number;
    const std::optional<nlohmann::json> json = ParseLine(std::string_view(content).substr(begin, end - begin));
    if (!json) {
      if (damaged == 0) damaged = line_number;
      continue;
    }
    if (damaged != 0) return Damaged(damaged);
    try {
      if (line_number == 1) {
        if (const int version = json->at("version").get<int>(); version != kVersion) {
          return absl::UnimplementedError(absl::StrCat("is of version ", version, ", expected ", kVersion));
        }
        if (!options.ignore_settings) {
          DCAC_RETURN_IF_ERROR(CheckSettings(json->at("settings"), settings));
        }
      } else {
        JournalRecord record{.path = Unescape(json->at("path").get<std::string>()),
                             .source = IdentityFrom(json->at("source")),
                             .output = IdentityFrom(json->at("output"))};
        std::string path = record.path;
        earlier_.insert_or_assign(std::move(path), std::move(record));
      }
    } catch (const std::exception&) {  // a line of another program, with a checksum
      return Damaged(line_number);
    }
    end_ = end + 1;
  }
  return absl::OkStatus();
}

absl::Status Journal::Begin(const JournalSettings& settings) {
  if (::ftruncate(fd_, 0) != 0) return absl::ErrnoToStatus(errno, "cannot empty");
  nlohmann::json header = {{"version", kVersion}, {"settings", nlohmann::json::object()}};
  for (const auto& [name, value] : settings) header["settings"][name] = Escape(value);
  DCAC_RETURN_IF_ERROR(AppendLine(header.dump()));
  return Sync();
}

const JournalRecord* Journal::Find(const std::string& path) const {
  const auto found = earlier_.find(path);
  return found == earlier_.end() ? nullptr : &found->second;
}

absl::Status Journal::Append(const JournalRecord& record) {
  const nlohmann::json json = {
      {"path", Escape(record.path)}, {"source", ToJson(record.source)}, {"output", ToJson(record.output)}};
  DCAC_RETURN_IF_ERROR(AppendLine(json.dump()));
  {
    const std::lock_guard lock(mutex_);
    ++unsynced_records_;
    const auto unsynced_for = std::chrono::steady_clock::now() - last_sync_;
    if (unsynced_records_ < kMostUnsyncedRecords && unsynced_for < kLongestUnsynced) return absl::OkStatus();
  }
  return Sync();
}

absl::Status Journal::AppendLine(const std::string& json) {
  const std::string line = absl::StrCat(Checksum(json), " ", json, "\n");
  const std::lock_guard lock(mutex_);
  for (std::size_t written = 0; written < line.size();) {
    const ssize_t n = ::pwrite(fd_, line.data() + written, line.size() - written, static_cast<off_t>(end_ + written));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return absl::ErrnoToStatus(errno, "cannot write");
    written += static_cast<std::size_t>(n);
  }
  end_ += line.size();
  return absl::OkStatus();
}

absl::Status Journal::Sync() {
  const std::lock_guard lock(mutex_);
  unsynced_records_ = 0;
  last_sync_ = std::chrono::steady_clock::now();
  while (::fdatasync(fd_) != 0) {
    if (errno != EINTR) return absl::ErrnoToStatus(errno, "cannot sync");
  }
  return absl::OkStatus();
}

absl::Status Journal::Remove() {
  if (::unlink(path_.c_str()) != 0) return absl::ErrnoToStatus(errno, "cannot remove");
  return absl::OkStatus();
}

}  // namespace dcac::cli
