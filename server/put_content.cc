#include "server/put_content.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/files/archive_checker.h"
#include "dcac/frame_checker.h"
#include "dcac/frame_decoder.h"
#include "dcac/frame_encoder.h"
#include "proto/wire/convert.h"
#include "proto/wire/digest_accumulator.h"
#include "server/stored_object.h"

namespace dcac::server {
namespace {

// Nobody waits for a call that broke off, nor should it wait for a store that is away.
constexpr std::chrono::seconds kBreakOffTime{5};

store::CallControl BreakOffControl() {
  return {.deadline = std::chrono::steady_clock::now() + kBreakOffTime};
}

// Appends to an upload, and leaves in `unappended` what of it was not when the call ended.
absl::Status Append(std::span<const std::byte> bytes, const store::CallControl& control, store::Upload& upload,
                    std::vector<std::byte>& unappended) {
  const std::uint64_t before = upload.size_bytes();
  absl::Status status = upload.Append(bytes, control);
  if (absl::IsCancelled(status) || absl::IsDeadlineExceeded(status)) {
    const auto rest = bytes.subspan(static_cast<std::size_t>(upload.size_bytes() - before));
    unappended.assign(rest.begin(), rest.end());
  }
  return status;
}

// Gives what an upload has kept to `take`, from the front to the back.
template <typename Take>
absl::Status ReadKept(store::Upload& upload, const store::CallControl& control, const Take& take) {
  std::vector<std::byte> buffer;
  for (std::uint64_t offset = 0; offset < upload.size_bytes(); offset += buffer.size()) {
    buffer.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kStoreReadBytes, upload.size_bytes() - offset)));
    DCAC_RETURN_IF_ERROR(upload.Read(offset, buffer, control));
    DCAC_RETURN_IF_ERROR(take(std::span<const std::byte>(buffer)));
  }
  return absl::OkStatus();
}

// A tensor: the encoder decodes each segment again and compares it with its samples, and the frame that comes out of it
// goes into the upload through a checker of the rest, as checksums and index.  An upload may keep what is not verified
// yet: who goes on with it encodes and compares anew what was kept.
class TensorContent final : public PutContent {
 public:
  // `goes_on`: with an upload, Resume being called.
  TensorContent(TensorSpec spec, int level, std::uint64_t tensor_bytes, FrameEncoder encoder, bool goes_on,
                const StoreContext& context, const WorkControl& control)
      : spec_(std::move(spec)),
        level_(level),
        tensor_bytes_(tensor_bytes),
        encoder_(std::move(encoder)),
        goes_on_(goes_on),
        checker_(ToDecodeLimits(context.limits)),
        context_(context),
        control_(control) {
    control_.Apply(encoder_);
    encoder_.VerifySegments(
        [&workers = context_.workers](std::function<void()> work) { workers.Enqueue(std::move(work)); },
        context_.workers.threads());
  }

  std::uint64_t input_bytes() const override { return tensor_bytes_; }
  std::uint64_t expected_block_bytes() const override { return 0; }
  // The decoder of an upload that goes on holds no more than the encoder: slabs of the same tensor.
  std::uint64_t memory_bytes() const override { return (goes_on_ ? 2 : 1) * encoder_.memory_bytes(); }

  absl::Status Resume(store::Upload& upload) override {
    FrameDecoder decoder(ToDecodeLimits(context_.limits));
    decoder.CancelOn(&control_.cancelled);
    const auto decode = [&](std::span<const std::byte> frame) {
      return context_.Compute([&] { return decoder.PushBounded(frame); });
    };
    const auto take = [&](std::span<const std::byte> frame) -> absl::Status {
      DCAC_RETURN_IF_ERROR(Check(frame));
      kept_.insert(kept_.end(), frame.begin(), frame.end());
      DCAC_RETURN_IF_ERROR(decode(frame));
      while (true) {
        const std::vector<std::byte> samples = decoder.Pull();
        DCAC_RETURN_IF_ERROR(encoder_.Push(samples));
        DCAC_RETURN_IF_ERROR(SkipKept(encoder_.Pull()).status());
        if (!decoder.has_backlog()) break;
        DCAC_RETURN_IF_ERROR(decode({}));
      }
      progress_ = {{upload.size_bytes(), decoder.raw_bytes()}};
      return absl::OkStatus();
    };
    DCAC_RETURN_IF_ERROR(ReadKept(upload, context_.Control(control_.cancelled), take));
    return ResumeInput(upload);
  }

  absl::Status Push(InputChunks& input, std::size_t max_bytes, store::Upload& upload) override {
    // What comes of a batch of slabs is stored before the next one is begun.
    std::vector<std::byte> frame;
    while (max_bytes > 0 && !input.empty() && frame.empty()) {
      const std::span<const std::byte> samples = input.Take(max_bytes);
      max_bytes -= samples.size();
      DCAC_RETURN_IF_ERROR(encoder_.Push(samples));
      DCAC_ASSIGN_OR_RETURN(frame, SkipKept(encoder_.Pull()));
    }
    return encoder_.raw_bytes() < tensor_bytes_ ? Store(frame, upload) : StoreLast(std::move(frame), upload);
  }

  absl::Status Finish(store::Upload& upload, store::PutOptions* options) override {
    if (!finished_) DCAC_RETURN_IF_ERROR(StoreLast({}, upload));  // without any input, after an upload as without
    const absl::Status sealed = upload.Seal(context_.Control(control_.cancelled));
    DCAC_RETURN_IF_ERROR(encoder_.Verify());
    DCAC_RETURN_IF_ERROR(sealed);
    if (!checker_.done() || checker_.digest() != encoder_.digest() || !kept_.empty()) {
      return absl::InternalError("the frame does not give back the tensor that it was made of");
    }
    return DescribeTensor(spec_, encoder_.digest(), options);
  }

  absl::Status BreakOff(const InputChunks& rest, store::Upload& upload) override {
    if (!unappended_.empty()) DCAC_RETURN_IF_ERROR(upload.Append(unappended_, BreakOffControl()));
    std::vector<std::span<const std::byte>> parts = {encoder_.unencoded()};
    if (encoder_.encoded_bytes() + parts.front().size() == rest.consumed_bytes()) {
      const std::vector<std::span<const std::byte>> more = rest.Rest();
      parts.insert(parts.end(), more.begin(), more.end());
    }
    std::erase_if(parts, [](std::span<const std::byte> part) { return part.empty(); });
    return upload.KeepInput(encoder_.encoded_bytes(), parts);
  }

  std::uint64_t committed_bytes(const store::Upload& upload) const override {
    std::uint64_t raw_bytes = resumed_bytes_;
    for (const Progress& progress : progress_) {
      if (progress.frame_bytes > upload.kept_bytes()) break;
      raw_bytes = std::max(raw_bytes, progress.raw_bytes);
    }
    return raw_bytes;
  }

  Digest input_digest() const override { return encoder_.digest(); }

  CallFacts facts() const override {
    return {.dtype = spec_.dtype,
            .level = level_,
            .raw_bytes = encoder_.raw_bytes(),
            .stored_bytes = encoder_.frame_bytes()};
  }

 private:
  struct Progress {
    std::uint64_t frame_bytes;
    std::uint64_t raw_bytes;  // that these stand for
  };

  // What the upload does not have yet of what the encoder gave.  Errors: DataLoss (it has something else).
  absl::StatusOr<std::vector<std::byte>> SkipKept(std::vector<std::byte> frame) {
    const auto skip = static_cast<std::ptrdiff_t>(std::min(frame.size(), kept_.size()));
    if (!std::equal(frame.begin(), frame.begin() + skip, kept_.begin())) {
      return absl::DataLossError("what was kept of the upload is not what its samples become");
    }
    kept_.erase(kept_.begin(), kept_.begin() + skip);
    frame.erase(frame.begin(), frame.begin() + skip);
    return frame;
  }

  absl::Status Check(std::span<const std::byte> frame) {
    DCAC_ASSIGN_OR_RETURN(const std::size_t taken, checker_.Push(frame));
    return taken == frame.size() ? absl::OkStatus() : absl::DataLossError("frame: bytes after its end");
  }

  absl::Status Store(std::span<const std::byte> frame, store::Upload& upload) {
    if (frame.empty()) return absl::OkStatus();
    progress_.push_back({encoder_.frame_bytes(), encoder_.encoded_bytes()});
    return CheckAndAppend(frame, upload);
  }

  // All samples were encoded: the last ones are verified while the end of the frame is stored.
  absl::Status StoreLast(std::vector<std::byte> frame, store::Upload& upload) {
    DCAC_RETURN_IF_ERROR(encoder_.Finish());
    finished_ = true;
    DCAC_ASSIGN_OR_RETURN(const std::vector<std::byte> end, SkipKept(encoder_.Pull()));
    frame.insert(frame.end(), end.begin(), end.end());
    progress_.push_back({encoder_.frame_bytes(), encoder_.encoded_bytes()});
    return CheckAndAppend(frame, upload);
  }

  absl::Status CheckAndAppend(std::span<const std::byte> frame, store::Upload& upload) {
    DCAC_RETURN_IF_ERROR(Check(frame));
    DCAC_RETURN_IF_ERROR(Append(frame, context_.Control(control_.cancelled), upload, unappended_));
    while (progress_.size() > 1 && progress_[1].frame_bytes <= upload.kept_bytes()) progress_.pop_front();
    return absl::OkStatus();
  }

  // Takes over the input that the upload has kept beside what was made of it.
  absl::Status ResumeInput(store::Upload& upload) {
    DCAC_ASSIGN_OR_RETURN(store::KeptInput kept, upload.ReadInput(context_.Control(control_.cancelled)));
    const std::uint64_t begin = encoder_.raw_bytes(), end = kept.offset + kept.bytes.size();
    if (begin < kept.offset || begin >= end || end > tensor_bytes_) return absl::OkStatus();
    const auto owner = std::make_shared<const std::vector<std::byte>>(std::move(kept.bytes));
    InputChunks input(begin, {owner, {std::span(*owner).subspan(begin - kept.offset)}});
    while (!input.empty()) DCAC_RETURN_IF_ERROR(Push(input, kStoreReadBytes, upload));
    resumed_bytes_ = encoder_.raw_bytes();
    return absl::OkStatus();
  }

  const TensorSpec spec_;
  const int level_;
  const std::uint64_t tensor_bytes_;
  FrameEncoder encoder_;
  const bool goes_on_;
  FrameChecker checker_;
  const StoreContext context_;
  const WorkControl control_;
  std::vector<std::byte> kept_;        // what the upload had at first and the encoder has not given again yet
  std::uint64_t resumed_bytes_ = 0;    // that were there, as a frame or as they came, when the upload was resumed
  std::vector<std::byte> unappended_;  // of the frame, when the call ended
  std::deque<Progress> progress_;
  bool finished_ = false;  // the frame is complete
};

// What the client compressed: stored as it comes, when all checksums are right.
template <typename Checker>
class CheckedContent : public PutContent {
 public:
  CheckedContent(std::uint64_t stored_bytes, const StoreContext& context, const WorkControl& control)
      : checker_(ToDecodeLimits(context.limits)), stored_bytes_(stored_bytes), context_(context), control_(control) {}

  std::uint64_t input_bytes() const override { return stored_bytes_; }
  std::uint64_t expected_block_bytes() const override { return stored_bytes_; }
  std::uint64_t memory_bytes() const override { return kStoreReadBytes; }

  absl::Status Resume(store::Upload& upload) override {
    return ReadKept(upload, context_.Control(control_.cancelled),
                    [&](std::span<const std::byte> bytes) { return Take(bytes); });
  }

  absl::Status Push(InputChunks& input, std::size_t max_bytes, store::Upload& upload) override {
    while (max_bytes > 0 && !input.empty()) {
      const std::span<const std::byte> bytes = input.Take(max_bytes);
      max_bytes -= bytes.size();
      DCAC_RETURN_IF_ERROR(Take(bytes));
      DCAC_RETURN_IF_ERROR(Append(bytes, context_.Control(control_.cancelled), upload, unappended_));
    }
    return absl::OkStatus();
  }

  absl::Status BreakOff(const InputChunks& rest, store::Upload& upload) override {
    // Not after an error: what did not pass its check, or found no room, is missing then.
    const bool has_all = upload.size_bytes() + unappended_.size() == rest.consumed_bytes();
    absl::Status status = has_all ? AppendRest(rest, upload) : absl::OkStatus();
    status.Update(upload.KeepInput(upload.size_bytes(), {}));
    return status;
  }

  std::uint64_t committed_bytes(const store::Upload& upload) const override { return upload.kept_bytes(); }

  Digest input_digest() const override { return digest_.Get(); }

 protected:
  virtual absl::Status Check(std::span<const std::byte> bytes) = 0;

  Checker checker_;
  const std::uint64_t stored_bytes_;

 private:
  absl::Status Take(std::span<const std::byte> bytes) {
    digest_.Update(bytes);
    return Check(bytes);
  }

  absl::Status AppendRest(const InputChunks& rest, store::Upload& upload) {
    const store::CallControl control = BreakOffControl();
    DCAC_RETURN_IF_ERROR(upload.Append(unappended_, control));
    for (const std::span<const std::byte> bytes : rest.Rest()) {
      DCAC_RETURN_IF_ERROR(Take(bytes));
      DCAC_RETURN_IF_ERROR(upload.Append(bytes, control));
    }
    return absl::OkStatus();
  }

  wire::DigestAccumulator digest_;
  const StoreContext context_;
  const WorkControl control_;
  std::vector<std::byte> unappended_;  // that passed their check, when the call ended
};

class FrameContent final : public CheckedContent<FrameChecker> {
 public:
  using CheckedContent::CheckedContent;

  absl::Status Finish(store::Upload&, store::PutOptions* options) override {
    if (!checker_.done()) return absl::DataLossError("frame: truncated");
    return DescribeTensor(checker_.spec(), checker_.digest(), options);
  }

  CallFacts facts() const override {
    if (!checker_.has_spec()) return {};
    return {.dtype = checker_.spec().dtype,
            .raw_bytes = TensorBytes(checker_.spec()).value_or(0),
            .stored_bytes = checker_.frame_bytes()};
  }

 private:
  absl::Status Check(std::span<const std::byte> bytes) override {
    DCAC_ASSIGN_OR_RETURN(const std::size_t taken, checker_.Push(bytes));
    return taken == bytes.size() ? absl::OkStatus() : absl::DataLossError("frame: bytes after its end");
  }
};

class ArchiveContent final : public CheckedContent<files::ArchiveChecker> {
 public:
  std::uint64_t memory_bytes() const override { return CheckedContent::memory_bytes() + checker_.memory_bytes(); }

  ArchiveContent(const v1::ArchiveContent& content, const StoreContext& context, const WorkControl& control)
      : CheckedContent(content.stored_bytes(), context, control), raw_bytes_(content.raw_bytes()) {}

  absl::Status Finish(store::Upload&, store::PutOptions* options) override {
    DCAC_RETURN_IF_ERROR(checker_.Finish());
    DescribeArchive(raw_bytes_, input_digest(), options);
    return absl::OkStatus();
  }

  CallFacts facts() const override { return {.raw_bytes = raw_bytes_, .stored_bytes = stored_bytes_}; }

 private:
  absl::Status Check(std::span<const std::byte> bytes) override { return checker_.Push(bytes); }

  const std::uint64_t raw_bytes_;
};

absl::StatusOr<std::unique_ptr<PutContent>> CreateTensor(const v1::PutHeader& header, const StoreContext& context,
                                                         const WorkControl& control) {
  const v1::TensorContent& content = header.tensor();
  DCAC_ASSIGN_OR_RETURN(TensorSpec spec, wire::FromProto(content.spec()));
  DCAC_ASSIGN_OR_RETURN(const EncodeOptions options, wire::FromProto(content.options()));
  DCAC_ASSIGN_OR_RETURN(const std::uint64_t tensor_bytes, TensorBytes(spec));
  DCAC_RETURN_IF_ERROR(CheckTensorBytes(tensor_bytes, context.limits));
  DCAC_ASSIGN_OR_RETURN(FrameEncoder encoder, FrameEncoder::Create(spec, options));
  DCAC_RETURN_IF_ERROR(CheckSlabBytes(encoder.slab_bytes(), context.limits));
  return std::make_unique<TensorContent>(std::move(spec), options.level, tensor_bytes, std::move(encoder),
                                         !header.upload_id().empty(), context, control);
}

absl::Status CheckStoredBytes(std::uint64_t stored_bytes, const Limits& limits) {
  if (stored_bytes == 0) return absl::InvalidArgumentError("stored_bytes is 0, expected the size of what comes");
  return CheckTensorBytes(stored_bytes, limits);
}

}  // namespace

absl::StatusOr<std::unique_ptr<PutContent>> PutContent::Create(const v1::PutHeader& header, const StoreContext& context,
                                                               const WorkControl& control) {
  switch (header.content_case()) {
    case v1::PutHeader::kTensor:
      return CreateTensor(header, context, control);
    case v1::PutHeader::kFrame:
      DCAC_RETURN_IF_ERROR(CheckStoredBytes(header.frame().stored_bytes(), context.limits));
      return std::make_unique<FrameContent>(header.frame().stored_bytes(), context, control);
    case v1::PutHeader::kArchive:
      DCAC_RETURN_IF_ERROR(CheckStoredBytes(header.archive().stored_bytes(), context.limits));
      DCAC_RETURN_IF_ERROR(CheckTensorBytes(header.archive().raw_bytes(), context.limits));
      return std::make_unique<ArchiveContent>(header.archive(), context, control);
    case v1::PutHeader::CONTENT_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("header.content: expected tensor, frame or archive");
}

}  // namespace dcac::server
