#include "tests/testing/counted_memory.h"

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::size_t> live_bytes{0}, peak_bytes{0}, allocations{0};

void RaisePeak(std::size_t bytes) {
  for (std::size_t peak = peak_bytes; bytes > peak && !peak_bytes.compare_exchange_weak(peak, bytes);) {
  }
}

void* CountedAllocate(std::size_t size) {
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) {
    RaisePeak(live_bytes + size);
    throw std::bad_alloc();
  }
  ++allocations;
  RaisePeak(live_bytes += malloc_usable_size(memory));
  return memory;
}

void CountedFree(void* memory) {
  if (memory == nullptr) return;
  live_bytes -= malloc_usable_size(memory);
  std::free(memory);
}

}  // namespace

void* operator new(std::size_t size) {
  return CountedAllocate(size);
}
void* operator new[](std::size_t size) {
  return CountedAllocate(size);
}
void operator delete(void* memory) noexcept {
  CountedFree(memory);
}
void operator delete[](void* memory) noexcept {
  CountedFree(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  CountedFree(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  CountedFree(memory);
}

namespace dcac::testing {

std::size_t LiveBytes() {
  return live_bytes;
}
std::size_t Allocations() {
  return allocations;
}
std::size_t PeakBytes() {
  return peak_bytes;
}
void ResetPeakBytes() {
  peak_bytes = live_bytes.load();
}

}  // namespace dcac::testing
