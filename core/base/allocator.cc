#include "core/base/allocator.h"

#include <malloc.h>

#include <algorithm>
#include <thread>

namespace dcac {

bool KeepMemoryOfMessages() {
  // Each arena keeps its own freed memory: with as many as glibc has by itself, eight for each processor, most of what
  // a server holds would be that.
  const int arenas = std::max(2, static_cast<int>(std::thread::hardware_concurrency()));
  return mallopt(M_ARENA_MAX, arenas) == 1 && mallopt(M_MMAP_THRESHOLD, 32 << 20) == 1 &&
         mallopt(M_TRIM_THRESHOLD, 256 << 20) == 1 && mallopt(M_TOP_PAD, 16 << 20) == 1;
}

}  // namespace dcac
