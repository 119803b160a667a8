#include "core/files/byte_stream.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <string>

namespace dcac::files {
namespace {

using Bytes = std::vector<std::byte>;

Bytes Numbered(std::size_t n) {
  Bytes bytes(n);
  for (std::size_t i = 0; i < n; ++i) bytes[i] = static_cast<std::byte>(i);
  return bytes;
}

Bytes ReadRest(ByteSource& source) {
  Bytes bytes(1000);
  const auto n = ReadFully(source, bytes);
  EXPECT_TRUE(n.ok()) << n.status();
  bytes.resize(n.value_or(0));
  return bytes;
}

TEST(ByteStreamTest, PushbackComesFirst) {
  const Bytes data = Numbered(10);
  MemorySource memory(data);
  PushbackSource source(memory);
  Bytes head(6);
  ASSERT_TRUE(ReadFully(source, head).ok());
  source.Unread(std::span(head).subspan(4));
  source.Unread(std::span(head).first(4));
  EXPECT_EQ(ReadRest(source), data);
}

TEST(ByteStreamTest, LimitEndsASource) {
  const Bytes data = Numbered(10);
  MemorySource memory(data);
  LimitedSource source(memory, 4);
  EXPECT_EQ(ReadRest(source), Numbered(4));
  EXPECT_EQ(ReadRest(memory).size(), 6u);
}

TEST(ByteStreamTest, MissingFileIsNamedByTheSystem) {
  const auto file = FileSource::Open("/nonexistent/file");
  EXPECT_EQ(file.status().code(), absl::StatusCode::kNotFound);
}

TEST(ByteStreamTest, FolderIsNoFile) {
  EXPECT_EQ(FileSource::Open(::testing::TempDir()).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ByteStreamTest, FileHasSizeAndRandomAccess) {
  const std::string path = ::testing::TempDir() + "/dcac_byte_stream_test";
  std::ofstream(path) << "0123456789";
  auto file = FileSource::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->size(), 10u);
  Bytes part(2);
  ASSERT_TRUE(file->ReadAt(7, part).ok());
  EXPECT_EQ(part, (Bytes{std::byte{'7'}, std::byte{'8'}}));
  EXPECT_EQ(file->ReadAt(9, part).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(ReadRest(*file).size(), 10u);
  const RandomFile random(*file);
  RangeSource range(random, 3, 4);
  EXPECT_EQ(ReadRest(range).size(), 4u);
  ::unlink(path.c_str());
}

TEST(ByteStreamTest, FileThatIsWrittenToHasChanged) {
  const std::string path = ::testing::TempDir() + "/dcac_changing_file_test";
  std::ofstream(path) << "0123456789";
  const auto file = FileSource::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(file->CheckUnchanged().ok());
  std::ofstream(path, std::ios::app) << "x";
  EXPECT_EQ(file->CheckUnchanged().code(), absl::StatusCode::kAborted);
  ::unlink(path.c_str());
}

TEST(ByteStreamTest, PeekedAndUnreadBytesComeAgain) {
  const Bytes bytes = Numbered(100);
  MemorySource memory(bytes);
  PushbackSource source(memory);
  EXPECT_EQ(source.Peek()->size(), 100u);
  source.Skip(40);
  source.Unread(std::span(bytes).subspan(30, 10));
  source.Unread(std::span(bytes).first(30));
  EXPECT_EQ(ReadRest(source), bytes);
  EXPECT_TRUE(source.Peek()->empty());
}

TEST(ByteStreamTest, PipeHasNoSizeAndCarriesBytes) {
  std::array<int, 2> ends;
  ASSERT_EQ(::pipe(ends.data()), 0);
  ASSERT_TRUE(FdSink(ends[1]).Write(Numbered(100)).ok());
  ::close(ends[1]);
  const auto source = FileSource::Open("/dev/fd/" + std::to_string(ends[0]));
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_FALSE(source->size().has_value());
  ::close(ends[0]);
}

}  // namespace
}  // namespace dcac::files
