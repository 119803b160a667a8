// Settings of the C library's allocator for programs that move many messages.
#ifndef DCAC_CORE_BASE_ALLOCATOR_H_
#define DCAC_CORE_BASE_ALLOCATOR_H_

namespace dcac {

// Keeps the memory of messages instead of giving it back to the system and asking for it again.  False: the allocator
// does not take all of the settings.
bool KeepMemoryOfMessages();

}  // namespace dcac

#endif  // DCAC_CORE_BASE_ALLOCATOR_H_
