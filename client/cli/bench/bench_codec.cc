#include "client/cli/bench/bench_codec.h"

#include <malloc.h>

#include <charconv>
#include <string_view>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace dcac::cli {

absl::StatusOr<std::unique_ptr<BenchCodec>> MakePeerBenchCodec(const std::string& name) {
  constexpr std::string_view kZstd = "zstd-";
  constexpr int kMaxZstdLevel = 22;
  if (name == "lz4") return MakeLz4BenchCodec();
  if (name == "memcpy") return MakeMemcpyBenchCodec();
  if (name.starts_with(kZstd)) {
    int level = 0;
    const char* const end = name.data() + name.size();
    const auto [after, error] = std::from_chars(name.data() + kZstd.size(), end, level);
    if (error == std::errc() && after == end && level >= 1 && level <= kMaxZstdLevel) return MakeZstdBenchCodec(level);
  }
  return absl::InvalidArgumentError(absl::StrCat("no codec '", name, "', expected zstd-1 to zstd-22, lz4 or memcpy"));
}

void KeepFreedMemory() {
  constexpr int kNever = -1;
  ::mallopt(M_MMAP_MAX, 0);
  ::mallopt(M_TRIM_THRESHOLD, kNever);
}

}  // namespace dcac::cli
