// Many small objects, and parts of a large one.
#ifndef DCAC_TESTS_BENCH_STORE_OBJECTS_H_
#define DCAC_TESTS_BENCH_STORE_OBJECTS_H_

#include <string>
#include <vector>

#include "dcac/tensor.h"
#include "tests/bench/store_timing.h"

namespace dcac::bench {

// Tensors of 4 KiB through several BatchPut streams, some compressed by the server and most by the client, to a server
// of their own that syncs in intervals, which is killed and started again.
void MeasureSmallObjects(const std::string& folder, const Tensor& planes, int objects, Floors& floors);

// 8 of 512 planes.
void MeasurePlanes(const std::string& address, const Tensor& planes, Floors& floors);

}  // namespace dcac::bench

#endif  // DCAC_TESTS_BENCH_STORE_OBJECTS_H_
