// What is below a folder.
#ifndef DCAC_CLIENT_CLI_DIRECTORY_WALK_H_
#define DCAC_CLIENT_CLI_DIRECTORY_WALK_H_

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dcac::cli {

// The name of the journal of a run; see journal.h.
inline constexpr char kJournalName[] = ".dcac-journal";
// That of the notes of a run that puts files into a store; see upload_notes.h.
inline constexpr char kUploadNotesName[] = ".dcac-uploads";

// By what a file is recognised as unchanged without being read.
struct FileIdentity {
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  std::int64_t ctime_ns = 0;
  std::uint64_t inode = 0;

  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

FileIdentity IdentityOf(const struct stat& info);

// Of the regular file `path`; nothing when there is none.  Symbolic links are not followed.
std::optional<FileIdentity> IdentityOf(const std::string& path);

// "folder/name", and "name" for an empty folder.
std::string JoinPath(std::string_view folder, std::string_view name);

struct TreeEntry {
  enum class Type { kFile, kFolder, kLink, kFailed };

  std::string path;  // relative to the root
  Type type = Type::kFailed;
  FileIdentity identity;
  unsigned mode = 0;    // permission bits
  absl::Status status;  // kFailed: why it cannot be done
};

struct Tree {
  std::vector<TreeEntry> entries;      // a folder comes before what it holds; sorted by the bytes of the names
  std::vector<std::string> leftovers;  // temporaries of runs that were killed, relative to the root
};

struct WalkOptions {
  // Shell patterns; what they match, by its relative path or by its name alone, is left out with all below it.
  std::vector<std::string> excludes;

  // A folder that is left out, wherever it is met; empty: none.
  std::string skipped_folder;
};

// Lists what is below the folder `root`, without following symbolic links.  Journals, notes and temporaries of dcac
// are no entries.  What is neither file, folder nor link and what cannot be looked into becomes a kFailed entry.
// Errors: `root` is no folder or cannot be read.
absl::StatusOr<Tree> WalkTree(const std::string& root, const WalkOptions& options = {});

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_DIRECTORY_WALK_H_
