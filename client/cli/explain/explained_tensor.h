// What `dcac explain` tells of a tensor, and how it is said.
#ifndef DCAC_CLIENT_CLI_EXPLAIN_EXPLAINED_TENSOR_H_
#define DCAC_CLIENT_CLI_EXPLAIN_EXPLAINED_TENSOR_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "client/cli/report.h"
#include "dcac/explain.h"

namespace dcac::cli {

struct ExplainedTensor {
  std::string file;     // as it is shown
  std::string name;     // in the file; may be empty
  bool opaque = false;  // bytes of no known meaning
  FrameExplanation explanation;
};

// "bytes" for opaque ones.
std::string TypeText(const ExplainedTensor& tensor);

// Samples; of complex types their two parts are one.
std::uint64_t NumSamples(const TensorSpec& spec);

// Of the stored bytes.
double BitsPerSample(const FrameInfo& info);

// "normal", or "normal 3, constant 1" where there are several kinds.
std::string KindsText(const PlaneCounts& counts);

// "model", or "recoded as bf16, model".
std::string MethodText(const SegmentInfo& segment);

// Every kind by its name, in a fixed order.
std::vector<std::pair<const char*, std::uint64_t>> NamedCounts(const PlaneCounts& counts);

// All of it; docs/explain.md names the keys.
Json ExplanationToJson(const ExplainedTensor& tensor);

// A table with a row for each tensor.
std::string TensorsText(const std::vector<ExplainedTensor>& tensors);

// A table with a row for each plane or group of planes, and what is known of rows and samples.
std::string PlanesText(const FrameExplanation& explanation);

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_EXPLAIN_EXPLAINED_TENSOR_H_
