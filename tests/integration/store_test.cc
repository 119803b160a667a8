// What the activation store promises, through generated stubs and a server on a store in memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/files/archive.h"
#include "dcac/codec.h"
#include "dcac/frame_info.h"
#include "dcac/slice.h"
#include "proto/wire/convert.h"
#include "server/telemetry/log.h"
#include "tests/integration/store_calls.h"

namespace dcac::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using Store = v1::ActivationStoreService::Stub;

Bytes FrameOf(const Tensor& tensor) {
  return Compress(tensor.spec, tensor.data).value();
}

class StoreTest : public ::testing::Test {
 protected:
  void Start(std::uint64_t quota_bytes = 0) {
    server::ServerOptions options = LoopbackOptions();
    options.store.location = "memory:";
    options.store.quota_bytes = quota_bytes;
    server_ = StartServer(options);
  }
  void SetUp() override { Start(); }

  StoreClient Client(const std::string& tenant = "") const { return StoreClient(server_->addresses()[0], tenant); }
  PutOutcome PutTensor(const std::string& key) const {
    return Client().Put(TensorHeader(key, tensor_.spec), tensor_.data);
  }

  std::unique_ptr<server::Server> server_;
  const Tensor tensor_ = MakeTensor(6);
  const Bytes frame_ = FrameOf(tensor_);
};

TEST_F(StoreTest, TensorThatTheServerCompressesComesBack) {
  const PutOutcome put = Client().Put(TensorHeader("model/layer/1", tensor_.spec), tensor_.data, 0, true,
                                      wire::ToProto(ComputeDigest(tensor_.data)));
  ASSERT_TRUE(put.status.ok()) << put.status.error_message();
  EXPECT_EQ(put.object.key(), "model/layer/1");
  EXPECT_EQ(put.object.kind(), v1::OBJECT_KIND_TENSOR);
  EXPECT_EQ(put.object.raw_bytes(), tensor_.data.size());
  EXPECT_LT(put.object.stored_bytes(), tensor_.data.size());
  EXPECT_EQ(put.committed_bytes, tensor_.data.size());
  const GetOutcome get = Client().Get("model/layer/1");
  ASSERT_TRUE(get.status.ok()) << get.status.error_message();
  EXPECT_EQ(get.bytes, tensor_.data);
  EXPECT_EQ(get.trailer.digest(), put.object.digest());
  EXPECT_EQ(get.trailer.read_bytes(), put.object.stored_bytes());
  EXPECT_GT(get.trailer.decoded_segments(), 0u);
}

TEST_F(StoreTest, FrameThatTheClientCompressedComesBackInBothForms) {
  ASSERT_TRUE(Client().Put(FrameHeader("f", frame_.size()), frame_).status.ok());
  EXPECT_EQ(Client().Get("f").bytes, tensor_.data);
  v1::GetRequest request;
  request.set_key("f");
  request.set_form(v1::OBJECT_FORM_STORED);
  EXPECT_EQ(Client().Get(request).bytes, frame_);
  request.mutable_range()->set_offset(10);
  request.mutable_range()->set_size(100);
  EXPECT_EQ(Client().Get(request).bytes, Bytes(frame_.begin() + 10, frame_.begin() + 110));
}

TEST_F(StoreTest, ArchiveComesBackAsItWasSent) {
  Bytes archive = files::SerializeArchiveHead(
      {.kind = files::ArchiveKind::kRaw, .form = files::ArchiveHead::Form::kSingle, .pieces = {}, .inline_bytes = {}});
  archive.insert(archive.end(), frame_.begin(), frame_.end());
  const PutOutcome put = Client().Put(ArchiveHeader("a", archive.size(), tensor_.data.size()), archive);
  ASSERT_TRUE(put.status.ok()) << put.status.error_message();
  EXPECT_EQ(put.object.kind(), v1::OBJECT_KIND_ARCHIVE);
  EXPECT_EQ(put.object.raw_bytes(), tensor_.data.size());
  EXPECT_EQ(Client().Get("a").bytes, archive);
  archive[archive.size() / 2] ^= std::byte{1};
  EXPECT_EQ(Client().Put(ArchiveHeader("a", archive.size(), 1), archive).status.error_code(),
            grpc::StatusCode::DATA_LOSS);
}

TEST_F(StoreTest, EveryByteRangeIsThatOfTheSamples) {
  ASSERT_TRUE(PutTensor("t").status.ok());
  const std::size_t size = tensor_.data.size();
  for (const std::size_t begin : {std::size_t{0}, std::size_t{1}, std::size_t{4097}, size / 2, size - 3, size}) {
    for (const std::size_t length : {std::size_t{1}, std::size_t{2}, std::size_t{5000}, std::size_t{40'000}, size}) {
      v1::GetRequest request;
      request.set_key("t");
      request.mutable_range()->set_offset(begin);
      request.mutable_range()->set_size(length);
      const GetOutcome get = Client().Get(request);
      if (begin + length > size) {
        EXPECT_EQ(get.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << begin << "+" << length;
        continue;
      }
      ASSERT_TRUE(get.status.ok()) << get.status.error_message();
      EXPECT_TRUE(std::ranges::equal(get.bytes, std::span(tensor_.data).subspan(begin, length)));
    }
  }
}

TEST_F(StoreTest, SliceReadsAndDecodesNoMoreThanItsSegments) {
  const TensorSpec spec{DType::kU8, {1, 512, 64, 64}, Layout::kNchw};
  constexpr std::size_t kPlaneBytes = 64 * 64;
  Bytes bytes(512 * kPlaneBytes);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>((i * i / 4096 + i / 64) & 0xff);
  const PutOutcome put = Client().Put(TensorHeader("t", spec), bytes);
  ASSERT_TRUE(put.status.ok()) << put.status.error_message();
  v1::GetRequest request;
  request.set_key("t");
  request.mutable_slice()->set_plane_begin(100);
  request.mutable_slice()->set_plane_end(108);
  const GetOutcome get = Client().Get(request);
  ASSERT_TRUE(get.status.ok()) << get.status.error_message();
  EXPECT_TRUE(std::ranges::equal(get.bytes, std::span(bytes).subspan(100 * kPlaneBytes, 8 * kPlaneBytes)));
  EXPECT_THAT(get.start.spec().shape(), ElementsAre(1, 8, 64, 64));
  v1::GetRequest stored;
  stored.set_key("t");
  stored.set_form(v1::OBJECT_FORM_STORED);
  const SliceResult slice = DecompressSlice(Client().Get(stored).bytes, {.plane_begin = 100, .plane_end = 108}).value();
  EXPECT_EQ(get.trailer.decoded_segments(), slice.decoded_segments);
  EXPECT_LT(get.trailer.decoded_segments(), Client().Get("t").trailer.decoded_segments());
  EXPECT_LT(get.trailer.read_bytes(), put.object.stored_bytes());
}

TEST_F(StoreTest, ConditionsAndVersionsHold) {
  v1::PutHeader header = TensorHeader("k", tensor_.spec);
  header.mutable_condition()->set_if_absent(true);
  const PutOutcome first = Client().Put(header, tensor_.data);
  ASSERT_TRUE(first.status.ok());
  EXPECT_EQ(Client().Put(header, tensor_.data).status.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  header.mutable_condition()->set_if_digest(std::string(16, 'x'));
  EXPECT_EQ(Client().Put(header, tensor_.data).status.error_code(), grpc::StatusCode::ABORTED);
  header.mutable_condition()->set_if_digest(first.object.digest());
  const PutOutcome second = Client().Put(header, tensor_.data);
  ASSERT_TRUE(second.status.ok()) << second.status.error_message();
  EXPECT_NE(first.object.version(), second.object.version());
  v1::GetRequest request;
  request.set_key("k");
  request.set_if_version(first.object.version());
  EXPECT_EQ(Client().Get(request).status.error_code(), grpc::StatusCode::ABORTED);
  request.set_if_version(second.object.version());
  EXPECT_TRUE(Client().Get(request).status.ok());
}

TEST_F(StoreTest, HostilePutsAreRefusedAndLeaveNothing) {
  using grpc::StatusCode;
  Bytes damaged = frame_;
  damaged[damaged.size() / 2] ^= std::byte{4};
  const StoreClient client = Client();
  EXPECT_EQ(client.Put(FrameHeader("k", damaged.size()), damaged).status.error_code(), StatusCode::DATA_LOSS);
  EXPECT_EQ(
      client.Put(FrameHeader("k", frame_.size() - 1), std::span(frame_).first(frame_.size() - 1)).status.error_code(),
      StatusCode::DATA_LOSS);
  EXPECT_EQ(client.Put(FrameHeader("k", frame_.size() - 1), frame_).status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(client.Put(TensorHeader("k", tensor_.spec), tensor_.data, 5).status.error_code(),
            StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(
      client.Put(TensorHeader("k", tensor_.spec), tensor_.data, 0, true, std::string(16, 'x')).status.error_code(),
      StatusCode::DATA_LOSS);
  EXPECT_EQ(client.Put(TensorHeader("k", tensor_.spec), std::span(tensor_.data).first(100)).status.error_code(),
            StatusCode::INVALID_ARGUMENT);
  for (const char* key : {"", "/", "a//b", "a/../b", "./a", "a\x01"}) {
    EXPECT_FALSE(client.Put(FrameHeader(key, frame_.size()), frame_).status.ok()) << key;
  }
  v1::PutHeader header = FrameHeader("k", frame_.size());
  header.mutable_ttl()->set_seconds(-1);
  EXPECT_EQ(client.Put(header, frame_).status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(client.Stat("k").error_code(), StatusCode::NOT_FOUND);
}

TEST_F(StoreTest, TenantsDoNotSeeEachOther) {
  const StoreClient red = Client("red");
  const PutOutcome put = red.Put(FrameHeader("k", frame_.size()), std::span(frame_).first(100), 0, false);
  ASSERT_TRUE(red.Put(FrameHeader("k", frame_.size()), frame_).status.ok());
  for (const char* tenant : {"blue", "", "re"}) {
    EXPECT_EQ(Client(tenant).Stat("k").error_code(), grpc::StatusCode::NOT_FOUND);
    EXPECT_EQ(Client(tenant).Get("k").status.error_code(), grpc::StatusCode::NOT_FOUND);
    v1::ListResponse list;
    ASSERT_TRUE(Client(tenant).Call(&Store::List, v1::ListRequest(), &list).ok());
    EXPECT_THAT(list.objects(), IsEmpty());
    std::uint64_t committed = 0;
    EXPECT_FALSE(Client(tenant).QueryUpload(put.upload_id, &committed).ok());
  }
  for (const char* tenant : {"red/k", "..", "a b/c"}) {
    EXPECT_EQ(Client(tenant).Stat("k").error_code(), grpc::StatusCode::INVALID_ARGUMENT) << tenant;
  }
}

TEST_F(StoreTest, QuotaRefusesBeforeAnythingIsWritten) {
  Start(/*quota_bytes=*/frame_.size() + 100);
  ASSERT_TRUE(Client().Put(FrameHeader("a", frame_.size()), frame_).status.ok());
  EXPECT_EQ(Client().Put(FrameHeader("b", frame_.size()), frame_).status.error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  v1::GetUsageResponse usage;
  ASSERT_TRUE(Client().Call(&Store::GetUsage, v1::GetUsageRequest(), &usage).ok());
  EXPECT_EQ(usage.objects(), 1u);
  EXPECT_EQ(usage.stored_bytes(), frame_.size());
  EXPECT_EQ(usage.raw_bytes(), tensor_.data.size());
  EXPECT_EQ(usage.quota_bytes(), frame_.size() + 100);
  EXPECT_EQ(usage.backend(), "memory");
}

TEST_F(StoreTest, ListGoesPageByPage) {
  for (const char* key : {"a/1", "a/2", "a/3", "b"}) ASSERT_TRUE(PutTensor(key).status.ok());
  v1::ListRequest request;
  request.set_prefix("a/");
  request.set_page_size(2);
  std::vector<std::string> keys;
  do {
    v1::ListResponse page;
    const grpc::Status status = Client().Call(&Store::List, request, &page);
    ASSERT_TRUE(status.ok()) << status.error_message();
    for (const v1::StoredObject& object : page.objects()) keys.push_back(object.key());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(keys, ElementsAre("a/1", "a/2", "a/3"));
  v1::ListResponse page;
  request.set_page_token("!");
  EXPECT_EQ(Client().Call(&Store::List, request, &page).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(StoreTest, FindMissingDeleteAndDeletePrefix) {
  for (const char* key : {"a/1", "a/2", "b"}) ASSERT_TRUE(PutTensor(key).status.ok());
  v1::FindMissingRequest find;
  for (const char* key : {"a/1", "x", "b", "y"}) find.add_keys(key);
  v1::FindMissingResponse missing;
  ASSERT_TRUE(Client().Call(&Store::FindMissing, find, &missing).ok());
  EXPECT_THAT(missing.missing_keys(), ElementsAre("x", "y"));
  v1::DeleteRequest one;
  one.set_key("b");
  v1::DeleteResponse deleted;
  EXPECT_TRUE(Client().Call(&Store::Delete, one, &deleted).ok());
  EXPECT_EQ(Client().Call(&Store::Delete, one, &deleted).error_code(), grpc::StatusCode::NOT_FOUND);
  v1::DeletePrefixRequest prefix;
  v1::DeletePrefixResponse all;
  EXPECT_EQ(Client().Call(&Store::DeletePrefix, prefix, &all).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  prefix.set_prefix("a/");
  ASSERT_TRUE(Client().Call(&Store::DeletePrefix, prefix, &all).ok());
  EXPECT_EQ(all.deleted_objects(), 2u);
  EXPECT_FALSE(all.more());
}

TEST_F(StoreTest, TouchPinAndScrub) {
  ASSERT_TRUE(PutTensor("k").status.ok());
  v1::TouchRequest touch;
  touch.set_key("k");
  touch.mutable_ttl()->set_seconds(3600);
  v1::TouchResponse touched;
  ASSERT_TRUE(Client().Call(&Store::Touch, touch, &touched).ok());
  EXPECT_TRUE(touched.object().has_expires());
  touch.set_never_expires(true);
  ASSERT_TRUE(Client().Call(&Store::Touch, touch, &touched).ok());
  EXPECT_FALSE(touched.object().has_expires());
  v1::PinRequest pin;
  pin.set_key("k");
  pin.set_pinned(true);
  v1::PinResponse pinned;
  ASSERT_TRUE(Client().Call(&Store::Pin, pin, &pinned).ok());
  EXPECT_TRUE(pinned.object().pinned());
  v1::ScrubResponse scrubbed;
  ASSERT_TRUE(Client().Call(&Store::Scrub, v1::ScrubRequest(), &scrubbed).ok());
  EXPECT_EQ(scrubbed.objects(), 1u);
  EXPECT_THAT(scrubbed.damaged_keys(), IsEmpty());
  EXPECT_THAT(scrubbed.last_key(), IsEmpty());
}

TEST_F(StoreTest, BatchesTellWhatIsWrongWithEachItem) {
  const StoreClient client = Client();
  grpc::ClientContext context;
  client.Prepare(context);
  const auto stream = client.stub().BatchPut(&context);
  for (int i = 0; i < 4; ++i) {
    v1::BatchPutRequest item;
    item.set_item_id(static_cast<std::uint64_t>(10 + i));
    item.set_key(i == 2 ? "not//a/key" : "k" + std::to_string(i));
    if (i == 0) wire::ToProto(tensor_.spec, item.mutable_tensor()->mutable_spec());
    if (i > 0) item.mutable_frame();
    const Bytes& data = i == 0 ? tensor_.data : frame_;
    item.set_data(data.data(), i == 3 ? data.size() - 1 : data.size());
    stream->Write(item);
  }
  stream->WritesDone();
  std::vector<int> codes;
  for (v1::BatchPutResponse reply; stream->Read(&reply);) codes.push_back(reply.code());
  ASSERT_TRUE(stream->Finish().ok());
  EXPECT_THAT(codes, ElementsAre(0, 0, grpc::StatusCode::INVALID_ARGUMENT, grpc::StatusCode::DATA_LOSS));

  grpc::ClientContext get_context;
  client.Prepare(get_context);
  v1::BatchGetRequest request;
  for (const char* key : {"k1", "none", "k0"}) request.add_keys(key);
  const auto replies = client.stub().BatchGet(&get_context, request);
  std::vector<int> get_codes;
  for (v1::BatchGetResponse reply; replies->Read(&reply);) {
    EXPECT_EQ(reply.key_index(), get_codes.size());
    get_codes.push_back(reply.code());
    EXPECT_EQ(reply.code() == 0, std::ranges::equal(wire::AsBytes(reply.data()), tensor_.data));
  }
  ASSERT_TRUE(replies->Finish().ok());
  EXPECT_THAT(get_codes, ElementsAre(0, grpc::StatusCode::NOT_FOUND, 0));
}

TEST_F(StoreTest, PartsThatObjectsDoNotHaveAreRefused) {
  ASSERT_TRUE(PutTensor("t").status.ok());
  v1::GetRequest request;
  request.set_key("t");
  request.set_max_bytes(tensor_.data.size() - 1);
  EXPECT_EQ(Client().Get(request).status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  request.clear_max_bytes();
  request.mutable_slice()->set_item_begin(6);
  EXPECT_EQ(Client().Get(request).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request.set_form(v1::OBJECT_FORM_STORED);
  EXPECT_EQ(Client().Get(request).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

// The text of a file from its start.
std::string ReadAll(std::FILE* file) {
  std::rewind(file);
  std::string text(std::size_t{1} << 20, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file));
  return text;
}

TEST(LocalStoreErrorsTest, PathsAreInTheLogAlone) {
  const TempFolder folder;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> log_file(std::tmpfile(), std::fclose);
  server::ServerOptions options = LoopbackOptions();
  options.store.location = "local:" + folder.File("store");
  auto log = std::make_unique<server::Log>(fileno(log_file.get()), server::LogLevel::kInfo, server::LogFormat::kLogfmt);
  options.log = log.get();
  auto server = StartServer(options);
  const StoreClient client(server->addresses()[0], "vision");
  const Tensor tensor = MakeTensor(96);
  const Bytes frame = FrameOf(tensor);
  ASSERT_TRUE(client.Put(FrameHeader("layer/1", frame.size()), frame).status.ok());
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.File("store/files"))) {
    if (!entry.is_regular_file()) continue;
    std::filesystem::remove(entry.path());
    std::filesystem::create_directory(entry.path());  // it opens, and cannot be read
    break;
  }
  const GetOutcome get = client.Get("layer/1");
  EXPECT_EQ(get.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(get.status.error_message(), "a file of the store: read: Is a directory");
  server.reset();
  log.reset();
  EXPECT_THAT(ReadAll(log_file.get()),
              ::testing::ContainsRegex("event=store_error key=vision/layer/1 code=UNAVAILABLE message=\"" +
                                       folder.File("store/files")));
}

TEST(NoStoreTest, CallsAreUnimplemented) {
  const auto server = StartServer();
  EXPECT_EQ(StoreClient(server->addresses()[0]).Stat("k").error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

}  // namespace
}  // namespace dcac::testing
