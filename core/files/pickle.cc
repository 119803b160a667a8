#include "core/files/pickle.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/bytes.h"
#include "core/base/status_macros.h"
#include "core/files/printable.h"

namespace dcac::files {
namespace {

using Type = PickleNode::Type;

// The opcodes of pickletools.py that are read.  Those of protocols 0 and 1 that hold text, persistent ids as text,
// extension codes, instances and out-of-band buffers are not.
enum Opcode : std::uint8_t {
  kMark = '(',
  kStop = '.',
  kPop = '0',
  kPopMark = '1',
  kDup = '2',
  kBinFloat = 'G',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kNone = 'N',
  kBinPersId = 'Q',
  kReduce = 'R',
  kBinString = 'T',
  kShortBinString = 'U',
  kBinUnicode = 'X',
  kAppend = 'a',
  kBuild = 'b',
  kGlobal = 'c',
  kDict = 'd',
  kEmptyDict = '}',
  kAppends = 'e',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kList = 'l',
  kEmptyList = ']',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kSetItem = 's',
  kTuple = 't',
  kEmptyTuple = ')',
  kSetItems = 'u',
  kBinBytes = 'B',
  kShortBinBytes = 'C',
  kProto = 0x80,
  kNewObj = 0x81,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8a,
  kLong4 = 0x8b,
  kShortBinUnicode = 0x8c,
  kBinUnicode8 = 0x8d,
  kBinBytes8 = 0x8e,
  kEmptySet = 0x8f,
  kAddItems = 0x90,
  kFrozenSet = 0x91,
  kNewObjEx = 0x92,
  kStackGlobal = 0x93,
  kMemoize = 0x94,
  kFrame = 0x95,
  kByteArray8 = 0x96,
};

constexpr int kMaxProtocol = 5;

absl::Status Malformed(std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("malformed pickle: ", std::string(what)));
}

absl::Status TooLarge(std::string_view what, std::uint64_t limit) {
  return absl::InvalidArgumentError(
      absl::StrCat("pickle has more than ", limit, " ", std::string(what), ", expected no more"));
}

std::string_view AsText(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The machine of the pickle protocol: a stack of nodes with marks, and a memo.
class Machine {
 public:
  Machine(ByteSpan data, const GlobalFilter& allowed) : reader_(data), data_(data), allowed_(allowed) {}

  absl::StatusOr<Pickle> Run() {
    while (!stopped_) DCAC_RETURN_IF_ERROR(Step());
    if (reader_.remaining() != 0) return Malformed("bytes follow its end");
    return std::move(pickle_);
  }

 private:
  // ---- Input

  absl::StatusOr<std::uint64_t> Number(int bytes) {
    std::uint64_t value = 0;
    if (!reader_.ReadLittleEndian("number", bytes, value).ok()) return Malformed("it ends within a number");
    return value;
  }

  // Text or bytes after their length.
  absl::StatusOr<std::string_view> Counted(int length_bytes) {
    DCAC_ASSIGN_OR_RETURN(const std::uint64_t length, Number(length_bytes));
    ByteSpan bytes;
    if (!reader_.ReadSpan("text", length, bytes).ok()) return Malformed("it ends within a string");
    return AsText(bytes);
  }

  absl::StatusOr<std::string_view> Line() {
    const std::string_view rest = AsText(data_.subspan(reader_.position()));
    const std::size_t length = rest.find('\n');
    ByteSpan line;
    if (length == std::string_view::npos || !reader_.ReadSpan("line", length + 1, line).ok()) {
      return Malformed("it ends within a line");
    }
    return rest.substr(0, length);
  }

  // ---- Nodes and the stack

  PickleNode& node(PickleRef ref) { return pickle_.nodes[ref]; }

  absl::StatusOr<PickleRef> Add(PickleNode added) {
    if (pickle_.nodes.size() == kMaxPickleNodes) return TooLarge("objects", kMaxPickleNodes);
    pickle_.nodes.push_back(std::move(added));
    return static_cast<PickleRef>(pickle_.nodes.size() - 1);
  }

  absl::Status Push(PickleRef ref) {
    if (++pushed_ > kMaxPickleEdges) return TooLarge("items", kMaxPickleEdges);
    stack_.push_back(ref);
    return absl::OkStatus();
  }

  absl::Status PushNew(PickleNode added) {
    DCAC_ASSIGN_OR_RETURN(const PickleRef ref, Add(std::move(added)));
    return Push(ref);
  }

  // Nodes above the last mark.
  std::size_t Depth() const { return stack_.size() - (marks_.empty() ? 0 : marks_.back()); }

  absl::StatusOr<PickleRef> Pop() {
    if (Depth() == 0) return Malformed("an opcode finds too little on the stack");
    const PickleRef ref = stack_.back();
    stack_.pop_back();
    return ref;
  }

  absl::StatusOr<PickleRef> Top() {
    if (Depth() == 0) return Malformed("an opcode finds too little on the stack");
    return stack_.back();
  }

  absl::StatusOr<std::vector<PickleRef>> PopToMark() {
    if (marks_.empty()) return Malformed("an opcode finds no mark");
    const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<PickleRef> items(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return items;
  }

  absl::StatusOr<std::vector<PickleRef>> PopMany(std::size_t count) {
    if (Depth() < count) return Malformed("an opcode finds too little on the stack");
    const auto begin = stack_.end() - static_cast<std::ptrdiff_t>(count);
    std::vector<PickleRef> items(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    return items;
  }

  absl::Status PushFrom(Type type, absl::StatusOr<std::vector<PickleRef>> items) {
    DCAC_RETURN_IF_ERROR(items.status());
    return PushNew({.type = type, .items = *std::move(items)});
  }

  // Adds to the container below the items.  Objects may be containers too; what they are given is kept.
  absl::Status Extend(absl::StatusOr<std::vector<PickleRef>> items, bool pairs) {
    DCAC_RETURN_IF_ERROR(items.status());
    if (pairs && items->size() % 2 != 0) return Malformed("a key has no value");
    DCAC_ASSIGN_OR_RETURN(const PickleRef container, Top());
    const Type type = node(container).type;
    if (type != Type::kObject && type != (pairs ? Type::kDict : Type::kList)) {
      return Malformed("items are added to what is no container");
    }
    std::vector<PickleRef>& target = node(container).items;
    target.insert(target.end(), items->begin(), items->end());
    return absl::OkStatus();
  }

  absl::Status Memoize(std::uint64_t index) {
    DCAC_ASSIGN_OR_RETURN(const PickleRef top, Top());
    if (index >= kMaxPickleNodes) return TooLarge("remembered objects", kMaxPickleNodes);
    if (index >= memo_.size()) memo_.resize(static_cast<std::size_t>(index) + 1, kNothing);
    memo_[static_cast<std::size_t>(index)] = top;
    return absl::OkStatus();
  }

  absl::Status Recall(std::uint64_t index) {
    if (index >= memo_.size() || memo_[static_cast<std::size_t>(index)] == kNothing) {
      return Malformed("it refers to an object that it has not remembered");
    }
    return Push(memo_[static_cast<std::size_t>(index)]);
  }

  // ---- Opcodes

  absl::Status PushInteger(absl::StatusOr<std::uint64_t> value, int bytes) {
    DCAC_RETURN_IF_ERROR(value.status());
    const int shift = 64 - 8 * bytes;  // four bytes have a sign, fewer have none
    const auto number =
        bytes == 4 ? static_cast<std::int64_t>(*value << shift) >> shift : static_cast<std::int64_t>(*value);
    return PushNew({.type = Type::kInt, .integer = number});
  }

  // A two's complement integer of any length; one that does not fit is of no interest.
  absl::Status PushLong(absl::StatusOr<std::string_view> digits) {
    DCAC_RETURN_IF_ERROR(digits.status());
    if (digits->size() > 8) return PushNew({.type = Type::kOther});
    std::uint64_t value = digits->empty() || static_cast<signed char>(digits->back()) >= 0 ? 0 : ~std::uint64_t{0};
    for (std::size_t i = digits->size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>((*digits)[i]);
    return PushNew({.type = Type::kInt, .integer = static_cast<std::int64_t>(value)});
  }

  absl::Status PushString(Type type, absl::StatusOr<std::string_view> text) {
    DCAC_RETURN_IF_ERROR(text.status());
    return PushNew({.type = type, .text = *text});
  }

  absl::Status PushGlobal(std::string_view module, std::string_view name) {
    if (!allowed_(module, name)) {
      return absl::InvalidArgumentError(
          absl::StrCat("pickle names the global ", Printable(module), ".", Printable(name), ", which is not allowed"));
    }
    return PushNew({.type = Type::kGlobal, .module = module, .text = name});
  }

  absl::Status PushGlobalLines() {
    DCAC_ASSIGN_OR_RETURN(const std::string_view module, Line());
    DCAC_ASSIGN_OR_RETURN(const std::string_view name, Line());
    return PushGlobal(module, name);
  }

  absl::Status PushStackGlobal() {
    DCAC_ASSIGN_OR_RETURN(const std::vector<PickleRef> names, PopMany(2));
    const PickleNode& module = node(names[0]);
    const PickleNode& name = node(names[1]);
    if (module.type != Type::kString || name.type != Type::kString) return Malformed("a global has no name");
    return PushGlobal(module.text, name.text);
  }

  // A call, or a new object, of which only what was called and its arguments are kept.
  absl::Status Call(std::size_t operands) {
    DCAC_ASSIGN_OR_RETURN(std::vector<PickleRef> items, PopMany(operands));
    const PickleNode& called = node(items[0]);
    if (called.type != Type::kGlobal) return Malformed("it calls what is no global");
    if (called.module == "collections" && called.text == "OrderedDict") return PushNew({.type = Type::kDict});
    return PushNew({.type = Type::kObject, .items = std::move(items)});
  }

  // Gives an object its state.  That of other things, such as the attributes of a dictionary, is of no interest.
  absl::Status Build() {
    DCAC_ASSIGN_OR_RETURN(const PickleRef state, Pop());
    DCAC_ASSIGN_OR_RETURN(const PickleRef object, Top());
    if (node(object).type == Type::kObject) node(object).items.push_back(state);
    return absl::OkStatus();
  }

  absl::Status Stop() {
    DCAC_ASSIGN_OR_RETURN(pickle_.root, Pop());
    if (!stack_.empty() || !marks_.empty()) return Malformed("its end leaves something on the stack");
    stopped_ = true;
    return absl::OkStatus();
  }

  absl::Status CheckProtocol() {
    DCAC_ASSIGN_OR_RETURN(const std::uint64_t protocol, Number(1));
    if (protocol < 2 || protocol > kMaxProtocol) {
      return absl::InvalidArgumentError(
          absl::StrCat("pickle protocol is ", protocol, ", expected 2 to ", kMaxProtocol));
    }
    return absl::OkStatus();
  }

  absl::Status MemoizeNumbered(int bytes) {
    DCAC_ASSIGN_OR_RETURN(const std::uint64_t index, Number(bytes));
    return Memoize(index);
  }

  absl::Status RecallNumbered(int bytes) {
    DCAC_ASSIGN_OR_RETURN(const std::uint64_t index, Number(bytes));
    return Recall(index);
  }

  absl::Status Duplicate() {
    DCAC_ASSIGN_OR_RETURN(const PickleRef top, Top());
    return Push(top);
  }

  absl::Status Step() {
    DCAC_ASSIGN_OR_RETURN(const std::uint64_t opcode, Number(1));
    switch (opcode) {
      case kProto:
        return CheckProtocol();
      case kFrame:
        return Number(8).status();  // frames are hints for reading
      case kStop:
        return Stop();
      case kMark:
        marks_.push_back(stack_.size());
        return marks_.size() > kMaxPickleNodes ? TooLarge("marks", kMaxPickleNodes) : absl::OkStatus();
      case kPop:
        return Pop().status();
      case kPopMark:
        return PopToMark().status();
      case kDup:
        return Duplicate();
      case kNone:
        return PushNew({.type = Type::kNone});
      case kNewTrue:
      case kNewFalse:
        return PushNew({.type = Type::kBool, .integer = opcode == kNewTrue});
      default:
        return StepValue(opcode);
    }
  }

  absl::Status StepValue(std::uint64_t opcode) {
    switch (opcode) {
      case kBinInt:
        return PushInteger(Number(4), 4);
      case kBinInt1:
        return PushInteger(Number(1), 1);
      case kBinInt2:
        return PushInteger(Number(2), 2);
      case kLong1:
        return PushLong(Counted(1));
      case kLong4:
        return PushLong(Counted(4));
      case kBinFloat:
        DCAC_RETURN_IF_ERROR(Number(8).status());
        return PushNew({.type = Type::kOther});
      case kShortBinString:
      case kShortBinUnicode:
        return PushString(Type::kString, Counted(1));
      case kBinString:
      case kBinUnicode:
        return PushString(Type::kString, Counted(4));
      case kBinUnicode8:
        return PushString(Type::kString, Counted(8));
      case kShortBinBytes:
        return PushString(Type::kOther, Counted(1));
      case kBinBytes:
        return PushString(Type::kOther, Counted(4));
      case kBinBytes8:
      case kByteArray8:
        return PushString(Type::kOther, Counted(8));
      default:
        return StepContainer(opcode);
    }
  }

  absl::Status StepContainer(std::uint64_t opcode) {
    switch (opcode) {
      case kEmptyTuple:
        return PushNew({.type = Type::kTuple});
      case kTuple:
        return PushFrom(Type::kTuple, PopToMark());
      case kTuple1:
      case kTuple2:
      case kTuple3:
        return PushFrom(Type::kTuple, PopMany(opcode - kTuple1 + 1));
      case kEmptyList:
      case kEmptySet:
        return PushNew({.type = Type::kList});
      case kList:
      case kFrozenSet:
        return PushFrom(Type::kList, PopToMark());
      case kEmptyDict:
        return PushNew({.type = Type::kDict});
      case kDict: {
        auto items = PopToMark();
        if (items.ok() && items->size() % 2 != 0) return Malformed("a key has no value");
        return PushFrom(Type::kDict, std::move(items));
      }
      case kAppend:
        return Extend(PopMany(1), /*pairs=*/false);
      case kAppends:
      case kAddItems:
        return Extend(PopToMark(), /*pairs=*/false);
      case kSetItem:
        return Extend(PopMany(2), /*pairs=*/true);
      case kSetItems:
        return Extend(PopToMark(), /*pairs=*/true);
      default:
        return StepObject(opcode);
    }
  }

  absl::Status StepObject(std::uint64_t opcode) {
    switch (opcode) {
      case kGlobal:
        return PushGlobalLines();
      case kStackGlobal:
        return PushStackGlobal();
      case kReduce:
      case kNewObj:
        return Call(2);
      case kNewObjEx:
        return Call(3);
      case kBuild:
        return Build();
      case kBinPersId:
        return PushFrom(Type::kPersistent, PopMany(1));
      case kBinPut:
        return MemoizeNumbered(1);
      case kLongBinPut:
        return MemoizeNumbered(4);
      case kMemoize:
        return Memoize(memoized_++);
      case kBinGet:
        return RecallNumbered(1);
      case kLongBinGet:
        return RecallNumbered(4);
      default:
        return absl::InvalidArgumentError(
            absl::StrCat("pickle opcode 0x", absl::Hex(opcode, absl::kZeroPad2), " is not allowed"));
    }
  }

  static constexpr PickleRef kNothing = ~PickleRef{0};

  ByteReader reader_;
  const ByteSpan data_;
  const GlobalFilter& allowed_;
  Pickle pickle_;
  std::vector<PickleRef> stack_;
  std::vector<std::size_t> marks_;  // sizes of the stack
  std::vector<PickleRef> memo_;
  std::uint64_t memoized_ = 0;  // by kMemoize
  std::uint64_t pushed_ = 0;    // bounds the stack and, as items come from it, the containers
  bool stopped_ = false;
};

}  // namespace

absl::StatusOr<Pickle> ReadPickle(std::span<const std::byte> data, const GlobalFilter& allowed) {
  if (data.size() > kMaxPickleBytes) return TooLarge("bytes", kMaxPickleBytes);
  return Machine(data, allowed).Run();
}

}  // namespace dcac::files
