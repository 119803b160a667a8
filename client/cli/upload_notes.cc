#include "client/cli/upload_notes.h"

#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "core/base/status_macros.h"
#include "core/files/atomic_file.h"

namespace dcac::cli {
namespace {

constexpr unsigned kMode = 0600;  // who knows an upload's id may go on with it

}  // namespace

UploadNotes::UploadNotes(std::string path) : path_(std::move(path)) {
  std::ifstream file(path_);
  const nlohmann::json notes = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!notes.is_object()) return;
  for (const auto& [key, note] : notes.items()) {
    if (!note.is_object() || !note.contains("upload_id") || !note.contains("archive")) continue;
    if (!note["upload_id"].is_string() || !note["archive"].is_string()) continue;
    uploads_[key] = {note["upload_id"].get<std::string>(), note["archive"].get<std::string>()};
  }
}

std::string UploadNotes::Find(const std::string& key, const Digest& archive) const {
  const std::lock_guard lock(mutex_);
  const auto found = uploads_.find(key);
  return found == uploads_.end() || found->second.archive != DigestToHex(archive) ? "" : found->second.id;
}

void UploadNotes::Add(const std::string& key, const Digest& archive, std::string_view upload_id) {
  const std::lock_guard lock(mutex_);
  uploads_[key] = {std::string(upload_id), DigestToHex(archive)};
  Save();
}

void UploadNotes::Remove(const std::string& key) {
  const std::lock_guard lock(mutex_);
  if (uploads_.erase(key) > 0) Save();
}

void UploadNotes::Save() const {
  if (uploads_.empty()) {
    ::unlink(path_.c_str());
    return;
  }
  nlohmann::json notes = nlohmann::json::object();
  for (const auto& [key, upload] : uploads_) notes[key] = {{"upload_id", upload.id}, {"archive", upload.archive}};
  static_cast<void>(Write(notes.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)));
}

absl::Status UploadNotes::Write(std::string_view text) const {
  DCAC_ASSIGN_OR_RETURN(files::AtomicFile file,
                        files::AtomicFile::Create(path_, files::AtomicFile::Existing::kReplace, kMode));
  DCAC_RETURN_IF_ERROR(file.Write(std::as_bytes(std::span(text))));
  return file.Commit();
}

}  // namespace dcac::cli
