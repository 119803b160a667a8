#include "server/call_info.h"

namespace dcac::server {

std::string_view MethodName(Method method) {
  switch (method) {
    case Method::kCompress:
      return "Compress";
    case Method::kDecompress:
      return "Decompress";
    case Method::kCompressTensor:
      return "CompressTensor";
    case Method::kDecompressTensor:
      return "DecompressTensor";
    case Method::kInspect:
      return "Inspect";
    case Method::kBatchCompress:
      return "BatchCompress";
    case Method::kGetCapabilities:
      return "GetCapabilities";
    case Method::kGetStatus:
      return "GetStatus";
  }
  return "unknown";
}

std::string_view DirectionName(Direction direction) {
  return direction == Direction::kCompress ? "compress" : "decompress";
}

std::optional<Direction> DirectionOf(Method method) {
  switch (method) {
    case Method::kCompress:
    case Method::kCompressTensor:
    case Method::kBatchCompress:
      return Direction::kCompress;
    case Method::kDecompress:
    case Method::kDecompressTensor:
      return Direction::kDecompress;
    case Method::kInspect:
    case Method::kGetCapabilities:
    case Method::kGetStatus:
      return std::nullopt;
  }
  return std::nullopt;
}

std::string_view RefusalName(Refusal refusal) {
  switch (refusal) {
    case Refusal::kBudget:
      return "budget";
    case Refusal::kCalls:
      return "calls";
    case Refusal::kLimit:
      return "limit";
    case Refusal::kAuthentication:
      return "authentication";
    case Refusal::kPermission:
      return "permission";
  }
  return "unknown";
}

Scope RequiredScope(Method method) {
  switch (method) {
    case Method::kCompress:
    case Method::kCompressTensor:
    case Method::kBatchCompress:
      return Scope::kWrite;
    case Method::kDecompress:
    case Method::kDecompressTensor:
    case Method::kInspect:
      return Scope::kRead;
    case Method::kGetCapabilities:
      return Scope::kAny;
    case Method::kGetStatus:
      return Scope::kAdmin;
  }
  return Scope::kAdmin;
}

}  // namespace dcac::server
