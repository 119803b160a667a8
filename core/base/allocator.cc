#include "core/base/allocator.h"

#include <malloc.h>

namespace dcac {

bool KeepMemoryOfMessages() {
  return mallopt(M_MMAP_THRESHOLD, 32 << 20) == 1 && mallopt(M_TRIM_THRESHOLD, 256 << 20) == 1 &&
         mallopt(M_TOP_PAD, 16 << 20) == 1;
}

}  // namespace dcac
