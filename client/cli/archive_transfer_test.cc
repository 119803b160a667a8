#include "client/cli/archive_transfer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <string>

#include "core/base/status_macros.h"

namespace dcac::cli {
namespace {

using ::testing::HasSubstr;
using Bytes = std::vector<std::byte>;

// Calls a function before the first bytes of another source that are not of its start.
class InterruptedSource final : public files::ByteSource {
 public:
  InterruptedSource(files::ByteSource& source, std::function<void()> interrupt)
      : source_(source), interrupt_(std::move(interrupt)) {}

  absl::StatusOr<std::size_t> Read(std::span<std::byte> out) override {
    DCAC_ASSIGN_OR_RETURN(const std::size_t n, source_.Read(out));
    if (interrupt_) interrupt_();
    interrupt_ = nullptr;
    return n;
  }

 private:
  files::ByteSource& source_;
  std::function<void()> interrupt_;
};

class ArchiveTransferTest : public ::testing::Test {
 protected:
  void SetUp() override { std::ofstream(path_, std::ios::binary) << std::string(3 << 20, 'x'); }
  void TearDown() override { ::unlink(path_.c_str()); }

  // Compresses the file, which `interrupt` changes after its first bytes have been read.
  absl::Status CompressWhile(const std::function<void()>& interrupt) {
    auto file = files::FileSource::Open(path_);
    EXPECT_TRUE(file.ok()) << file.status();
    InterruptedSource source(*file, interrupt);
    files::VectorSink archive;
    return WriteArchive(*file, source, {}, {}, *MakeLocalFrameCoder(), archive).status();
  }

  const std::string path_ = ::testing::TempDir() + "/dcac_archive_transfer_test_" + std::to_string(::getpid());
};

TEST_F(ArchiveTransferTest, FilesThatChangeAreReported) {
  EXPECT_TRUE(CompressWhile([] {}).ok());
  for (const int bytes : {1, (3 << 20) + 1}) {
    const absl::Status status = CompressWhile([&] { EXPECT_EQ(::truncate(path_.c_str(), bytes), 0); });
    EXPECT_EQ(status.code(), absl::StatusCode::kAborted) << bytes;
    EXPECT_THAT(std::string(status.message()), HasSubstr("changed while it was read")) << bytes;
  }
}

TEST_F(ArchiveTransferTest, EveryPrefixOfAnArchiveIsRefused) {
  // A .npy file with something after its samples, and so with a table and a tail.
  std::ofstream(path_, std::ios::binary) << std::string("\x93NUMPY\x01\0\x2f\0", 10)
                                         << "{'descr':'|u1','fortran_order':False,'shape':(6,)}samples after";
  auto file = files::FileSource::Open(path_);
  ASSERT_TRUE(file.ok()) << file.status();
  files::VectorSink sink;
  const auto coder = MakeLocalFrameCoder();
  const auto content = WriteArchive(*file, *file, {}, {}, *coder, sink);
  ASSERT_TRUE(content.ok()) << content.status();
  const Bytes& archive = sink.bytes();
  for (std::size_t n = 0; n <= archive.size(); ++n) {
    files::MemorySource source(std::span<const std::byte>(archive).first(n));
    files::VectorSink restored;
    const absl::Status status = RestoreArchive(source, *coder, restored).status();
    EXPECT_EQ(status.code(), n < archive.size() ? absl::StatusCode::kDataLoss : absl::StatusCode::kOk) << n;
  }
}

}  // namespace
}  // namespace dcac::cli
