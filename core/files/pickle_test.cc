#include "core/files/pickle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "core/files/test_files.h"
#include "core/files/torch_file.h"

namespace dcac::files {
namespace {

using namespace std::string_view_literals;
using ::testing::HasSubstr;
using Type = PickleNode::Type;

bool AllowOrderedDict(std::string_view module, std::string_view name) {
  return module == "collections" && name == "OrderedDict";
}

std::string ErrorOf(std::string_view opcodes) {
  const Bytes bytes = ToBytes("\x80\x02" + std::string(opcodes));
  const absl::Status status = ReadPickle(bytes, AllowOrderedDict).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << opcodes;
  return std::string(status.message());
}

std::string Repeat(std::string_view text, std::size_t count) {
  std::string repeated;
  for (std::size_t i = 0; i < count; ++i) repeated += text;
  return repeated;
}

TEST(PickleTest, BuildsContainersAndValues) {
  // {'a': (1, -2, True), 'b': [None, 'x']} as protocol 2 writes it.
  const Bytes bytes = ToBytes(
      "\x80\x02}q\0(X\1\0\0\0aK\1J\xfe\xff\xff\xff\x88\x87"
      "X\1\0\0\0b]q\1(NX\1\0\0\0xeu."sv);
  const auto pickle = ReadPickle(bytes, AllowOrderedDict);
  ASSERT_TRUE(pickle.ok()) << pickle.status();
  const auto& nodes = pickle->nodes;
  const PickleNode& root = nodes[pickle->root];
  ASSERT_EQ(root.type, Type::kDict);
  ASSERT_EQ(root.items.size(), 4u);
  EXPECT_EQ(nodes[root.items[0]].text, "a");
  const PickleNode& tuple = nodes[root.items[1]];
  ASSERT_EQ(tuple.type, Type::kTuple);
  EXPECT_EQ(nodes[tuple.items[0]].integer, 1);
  EXPECT_EQ(nodes[tuple.items[1]].integer, -2);
  EXPECT_EQ(nodes[tuple.items[2]].type, Type::kBool);
  EXPECT_EQ(nodes[root.items[3]].items.size(), 2u);
}

TEST(PickleTest, LongsHaveSigns) {
  const Bytes bytes = ToBytes(std::string_view("\x80\x02(\x8a\1\xff\x8a\2\xff\0\x8a\0t.", 14));
  const auto pickle = ReadPickle(bytes, AllowOrderedDict);
  ASSERT_TRUE(pickle.ok()) << pickle.status();
  std::vector<std::int64_t> values;
  for (const PickleRef item : pickle->nodes[pickle->root].items) values.push_back(pickle->nodes[item].integer);
  EXPECT_THAT(values, ::testing::ElementsAre(-1, 255, 0));
}

TEST(PickleTest, RefusesGlobalsThatAreNotAllowed) {
  EXPECT_THAT(ErrorOf("cos\nsystem\n."), HasSubstr("names the global os.system, which is not allowed"));
  EXPECT_THAT(ErrorOf(std::string_view("\x8c\x02os\x8c\x06system\x93.", 14)), HasSubstr("os.system"));
  EXPECT_THAT(ErrorOf("c\x1b[2J\nx\n."), HasSubstr("?[2J.x"));
}

TEST(PickleTest, RefusesOpcodesThatAreNotAllowed) {
  // Text persistent id, instance, object, extension, text integer, out-of-band buffer.
  for (const std::string_view opcode : {"Pid\n.", "ios\nsystem\n.", "(o.", "\x82\x01.", "I1\n.", "\x97."}) {
    EXPECT_THAT(ErrorOf(opcode), HasSubstr("is not allowed")) << opcode;
  }
}

TEST(PickleTest, RefusesCallsOfWhatIsNoGlobal) {
  EXPECT_THAT(ErrorOf("N)R."), HasSubstr("calls what is no global"));
  EXPECT_THAT(ErrorOf("])\x81."), HasSubstr("calls what is no global"));
}

TEST(PickleTest, RefusesMalformedOnes) {
  for (const std::string_view opcodes : {"",       ".",
                                         "N",      "NN.",
                                         "(N.",    "R.",
                                         "a.",     "Na.",
                                         "NNa.",   "t.",
                                         "h\x05.", "}NNa.",
                                         "](Nu.",  "}(Nu.",
                                         "0.",     "1.",
                                         "2.",     "X\xff\xff\xff\xff",
                                         "cx",     "cx\ny",
                                         "N.N",    "\x8d\xff\xff\xff\xff\xff\xff\xff\xff",
                                         "Q.",     "(NQ.",
                                         "b."}) {
    EXPECT_THAT(ErrorOf(opcodes), HasSubstr("malformed")) << opcodes;
  }
  EXPECT_FALSE(ReadPickle({}, AllowOrderedDict).ok());
  EXPECT_THAT(std::string(ReadPickle(ToBytes("\x80\x06N."), AllowOrderedDict).status().message()),
              HasSubstr("protocol is 6"));
}

TEST(PickleTest, BoundsWhatItBuilds) {
  EXPECT_THAT(ErrorOf(Repeat("N", kMaxPickleNodes + 1)), HasSubstr("more than 2000000 objects"));
  EXPECT_THAT(ErrorOf(Repeat("(", kMaxPickleNodes + 1)), HasSubstr("more than 2000000 marks"));
  EXPECT_THAT(ErrorOf("N" + Repeat("2", kMaxPickleEdges)), HasSubstr("more than 8000000 items"));
  EXPECT_THAT(ErrorOf(std::string_view("Nr\xff\xff\xff\x7f.", 7)), HasSubstr("more than 2000000 remembered"));
  EXPECT_FALSE(ReadPickle(Bytes(kMaxPickleBytes + 1), AllowOrderedDict).ok());
}

TEST(PickleTest, EveryPrefixIsRefused) {
  const Bytes pickle = ToBytes("\x80\x02}q\x01(X\x01\x01\x01\x01");
  for (std::size_t n = 0; n <= pickle.size(); ++n) {
    EXPECT_FALSE(ReadPickle(ByteSpan(pickle).first(n), AllowOrderedDict).ok()) << n;
  }
}

// ---- Pickles of torch

std::string Text(std::string_view text) {
  return "X" + std::string(1, static_cast<char>(text.size())) + std::string(3, '\0') + std::string(text);
}

std::string Small(int value) {
  return "K" + std::string(1, static_cast<char>(value));
}

// A tensor of f32 of one axis in storage `key` of `elements`, as version 2 writes it.
std::string TensorOf(std::string_view key, int elements, int offset, int size, int stride) {
  return "ctorch._utils\n_rebuild_tensor_v2\n((" + Text("storage") + "ctorch\nFloatStorage\n" + Text(key) +
         Text("cpu") + Small(elements) + "tQ" + Small(offset) + Small(size) + "\x85" + Small(stride) + "\x85\x89NtR";
}

absl::StatusOr<std::map<std::string, TorchStorage, std::less<>>> ReadTorch(const std::string& opcodes) {
  return ReadTorchStorages(ToBytes("\x80\x02" + opcodes + "."));
}

TEST(TorchFileTest, TensorsAreNamedByTheirPath) {
  const auto storages = ReadTorch("}" + Text("a") + "](" + TensorOf("0", 6, 0, 6, 1) + "Ne" + "s");
  ASSERT_TRUE(storages.ok()) << storages.status();
  ASSERT_EQ(storages->size(), 1u);
  EXPECT_EQ(storages->at("0").name, "a[0]");
  EXPECT_EQ(storages->at("0").shape, std::vector<std::uint64_t>{6});
}

TEST(TorchFileTest, ViewsOfPartsGiveNoShape) {
  for (const std::string& view : {TensorOf("0", 6, 1, 5, 1), TensorOf("0", 6, 0, 3, 2), TensorOf("0", 6, 0, 7, 1)}) {
    const auto storages = ReadTorch(view);
    ASSERT_TRUE(storages.ok()) << storages.status();
    EXPECT_EQ(storages->at("0").shape, std::vector<std::uint64_t>{6});
  }
}

TEST(TorchFileTest, ContradictionsAreRefused) {
  EXPECT_FALSE(ReadTorch("(" + TensorOf("0", 6, 0, 6, 1) + TensorOf("0", 7, 0, 7, 1) + "t").ok());
  EXPECT_FALSE(ReadTorch("(NtQ").ok());
  EXPECT_FALSE(ReadTorch("ctorch._utils\n_rebuild_tensor_v2\n)R").ok());
  EXPECT_FALSE(ReadTorch("ctorch._utils\n_rebuild_tensor_v2\n(NNNNtR").ok());
  EXPECT_FALSE(ReadTorch("ctorch\nNoStorage\n").ok());
}

TEST(TorchFileTest, PicklesThatContainThemselvesEnd) {
  EXPECT_TRUE(ReadTorch(std::string("]q\0h\0a", 6)).ok());
  EXPECT_TRUE(ReadTorch(std::string("}q\0Nh\0s", 7)).ok());
}

TEST(TorchFileTest, PicklesThatDoubleAtEveryLevelEnd) {
  // Every list holds the one before twice; written out they would be 2^60 items.
  std::string opcodes("]q\0", 3);
  for (char level = 1; level < 60; ++level) {
    opcodes += "](h" + std::string(1, static_cast<char>(level - 1)) + "h" +
               std::string(1, static_cast<char>(level - 1)) + "eq" + std::string(1, level);
  }
  EXPECT_TRUE(ReadTorch("(" + opcodes + "l").ok());
}

TEST(TorchFileTest, DeepNestingEndsAndItsNamesAreBounded) {
  std::string opcodes;
  constexpr std::size_t kDepth = 200000;
  for (std::size_t i = 0; i < kDepth; ++i) opcodes += "]";
  opcodes += TensorOf("0", 6, 0, 6, 1);
  for (std::size_t i = 0; i < kDepth; ++i) opcodes += "a";
  const auto storages = ReadTorch(opcodes);
  ASSERT_TRUE(storages.ok()) << storages.status();
  EXPECT_EQ(storages->at("0").name, "");
}

}  // namespace
}  // namespace dcac::files
