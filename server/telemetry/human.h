// Quantities as people like to read them.
#ifndef DCAC_SERVER_TELEMETRY_HUMAN_H_
#define DCAC_SERVER_TELEMETRY_HUMAN_H_

#include <chrono>
#include <cstdint>
#include <string>

namespace dcac::server {

std::string HumanBytes(double bytes);                          // "1.25 GB", of 10^9 bytes
std::string HumanCount(std::uint64_t count);                   // "1,234,567"
std::string HumanDuration(std::chrono::nanoseconds duration);  // "3 d 4 h", "12.5 s", "0.42 ms"

}  // namespace dcac::server

#endif  // DCAC_SERVER_TELEMETRY_HUMAN_H_
