#include "tests/testing/counted_memory.h"

#include <malloc.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::size_t> live_bytes{0}, peak_bytes{0}, allocations{0};

void RaisePeak(std::size_t bytes) {
  for (std::size_t peak = peak_bytes; bytes > peak && !peak_bytes.compare_exchange_weak(peak, bytes);) {
  }
}

// nullptr if there is none.
void* TryAllocate(std::size_t size, std::size_t alignment) noexcept {
  void* memory = nullptr;
  if (posix_memalign(&memory, alignment, size == 0 ? 1 : size) != 0) {
    RaisePeak(live_bytes + size);
    return nullptr;
  }
  ++allocations;
  RaisePeak(live_bytes += malloc_usable_size(memory));
  return memory;
}

void* CountedAllocate(std::size_t size, std::size_t alignment = alignof(std::max_align_t)) {
  void* const memory = TryAllocate(size, alignment);
  if (memory == nullptr) throw std::bad_alloc();
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
void* operator new(std::size_t size, std::align_val_t alignment) {
  return CountedAllocate(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return CountedAllocate(size, static_cast<std::size_t>(alignment));
}
// The library's own call those above, but not a sanitizer's.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return TryAllocate(size, alignof(std::max_align_t));
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return TryAllocate(size, alignof(std::max_align_t));
}
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return TryAllocate(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return TryAllocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory, std::align_val_t) noexcept {
  CountedFree(memory);
}
void operator delete[](void* memory, std::align_val_t) noexcept {
  CountedFree(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  CountedFree(memory);
}
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
  CountedFree(memory);
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
