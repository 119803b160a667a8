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
