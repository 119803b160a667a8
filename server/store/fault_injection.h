// Disks that fail and machines that crash, under a local store: its file system and the environment of its index.
#ifndef DCAC_SERVER_STORE_FAULT_INJECTION_H_
#define DCAC_SERVER_STORE_FAULT_INJECTION_H_

#include <rocksdb/env.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "server/store/file_system.h"

namespace dcac::store {

enum class Fault {
  kNoSpace,     // one call fails as if the disk were full
  kIoError,     // one call fails
  kShortWrite,  // one call writes half of its bytes, then fails
  kDiskGone,    // this call and all that follow fail
  kCrash,       // the same, and Forget then takes away what was not synced
  kLateCrash,   // the same, but the system had written all of the index, and none of the files that were not synced
  kTornCrash,   // the same, but the system had written some of the pages that were not synced, in any order
};

// Counts the calls that change something, and makes one of them fail.  Thread-safe.
class FaultPlan {
 public:
  void Arm(Fault fault, std::uint64_t call);  // the first is 1
  bool reached() const;
  Fault fault() const { return fault_; }

  // Whether the call that is about to be made fails.
  bool Fails();

  // What was written to a file, and how much of it is durable.
  void NoteSynced(const std::string& path, std::uint64_t size);
  void NoteCreated(const std::string& path, bool of_index);
  // A removal that is not durable: the file waits under another name.
  void NoteRemoved(const std::string& path, const std::string& kept_as);
  void NoteFolderSynced(const std::string& folder);
  void NoteAllSynced();

  // How often a log of the index became durable.
  std::uint64_t log_syncs() const;

  // Takes away what a crash of the machine loses.  Nothing may have the files open.
  void Forget();

  // Whether the fault is a crash of the machine.
  static bool IsCrash(Fault fault);

 private:
  struct FileState {
    std::uint64_t synced_bytes = 0;
    bool entry_is_durable = false;
    bool of_index = false;
  };

  void ForgetSome();

  mutable std::mutex mutex_;
  Fault fault_ = Fault::kIoError;
  std::uint64_t call_ = 0;
  std::uint64_t calls_ = 0;
  bool reached_ = false;
  std::uint64_t log_syncs_ = 0;
  std::map<std::string, FileState> files_;
  std::map<std::string, std::string> removed_;
};

// The system's files, with the faults of a plan.
std::unique_ptr<FileSystem> FaultyFileSystem(FaultPlan& plan);
std::unique_ptr<rocksdb::Env> FaultyEnvironment(FaultPlan& plan);

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_FAULT_INJECTION_H_
