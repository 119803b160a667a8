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
    case Method::kPut:
      return "Put";
    case Method::kQueryUpload:
      return "QueryUpload";
    case Method::kGet:
      return "Get";
    case Method::kBatchPut:
      return "BatchPut";
    case Method::kBatchGet:
      return "BatchGet";
    case Method::kFindMissing:
      return "FindMissing";
    case Method::kStat:
      return "Stat";
    case Method::kList:
      return "List";
    case Method::kDelete:
      return "Delete";
    case Method::kDeletePrefix:
      return "DeletePrefix";
    case Method::kTouch:
      return "Touch";
    case Method::kPin:
      return "Pin";
    case Method::kGetUsage:
      return "GetUsage";
    case Method::kScrub:
      return "Scrub";
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
    case Method::kPut:
    case Method::kBatchPut:
      return Direction::kCompress;
    case Method::kDecompress:
    case Method::kDecompressTensor:
    case Method::kGet:
    case Method::kBatchGet:
      return Direction::kDecompress;
    case Method::kInspect:
    case Method::kGetCapabilities:
    case Method::kGetStatus:
    case Method::kQueryUpload:
    case Method::kFindMissing:
    case Method::kStat:
    case Method::kList:
    case Method::kDelete:
    case Method::kDeletePrefix:
    case Method::kTouch:
    case Method::kPin:
    case Method::kGetUsage:
    case Method::kScrub:
      return std::nullopt;
  }
  return std::nullopt;
}

void CallFacts::Add(const CallFacts& item) {
  if (item.dtype) dtype = item.dtype;
  if (item.level) level = item.level;
  raw_bytes += item.raw_bytes;
  stored_bytes += item.stored_bytes;
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
    case Method::kPut:
    case Method::kBatchPut:
    case Method::kDelete:
    case Method::kDeletePrefix:
    case Method::kTouch:
    case Method::kPin:
      return Scope::kWrite;
    case Method::kDecompress:
    case Method::kDecompressTensor:
    case Method::kInspect:
    case Method::kQueryUpload:
    case Method::kGet:
    case Method::kBatchGet:
    case Method::kFindMissing:
    case Method::kStat:
    case Method::kList:
    case Method::kGetUsage:
      return Scope::kRead;
    case Method::kGetCapabilities:
      return Scope::kAny;
    case Method::kGetStatus:
    case Method::kScrub:
      return Scope::kAdmin;
  }
  return Scope::kAdmin;
}

}  // namespace dcac::server
