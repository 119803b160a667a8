#include "core/files/torch_file.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/files/archive.h"
#include "core/files/pickle.h"
#include "core/files/printable.h"

namespace dcac::files {
namespace {

using Type = PickleNode::Type;
using Storages = std::map<std::string, TorchStorage, std::less<>>;

struct TypeName {
  std::string_view name;
  DType dtype;
};

// Classes of storages in the module torch; the storage that has no type is in torch.storage and counts bytes.
constexpr std::array<TypeName, 12> kStorageTypes = {{{"ByteStorage", DType::kU8},
                                                     {"CharStorage", DType::kI8},
                                                     {"ShortStorage", DType::kI16},
                                                     {"IntStorage", DType::kI32},
                                                     {"LongStorage", DType::kI64},
                                                     {"HalfStorage", DType::kF16},
                                                     {"BFloat16Storage", DType::kBF16},
                                                     {"FloatStorage", DType::kF32},
                                                     {"DoubleStorage", DType::kF64},
                                                     {"BoolStorage", DType::kBool},
                                                     {"ComplexFloatStorage", DType::kC64},
                                                     {"ComplexDoubleStorage", DType::kC128}}};

// Types in the module torch that tensors of storages without a type have, or that are saved by themselves.
constexpr std::array<TypeName, 17> kTensorTypes = {{{"uint8", DType::kU8},
                                                    {"int8", DType::kI8},
                                                    {"uint16", DType::kU16},
                                                    {"int16", DType::kI16},
                                                    {"uint32", DType::kU32},
                                                    {"int32", DType::kI32},
                                                    {"uint64", DType::kU64},
                                                    {"int64", DType::kI64},
                                                    {"float16", DType::kF16},
                                                    {"bfloat16", DType::kBF16},
                                                    {"float32", DType::kF32},
                                                    {"float64", DType::kF64},
                                                    {"float8_e4m3fn", DType::kF8E4M3},
                                                    {"float8_e5m2", DType::kF8E5M2},
                                                    {"bool", DType::kBool},
                                                    {"complex64", DType::kC64},
                                                    {"complex128", DType::kC128}}};

template <std::size_t kCount>
std::optional<DType> Find(const std::array<TypeName, kCount>& types, std::string_view name) {
  const auto* found = std::find_if(types.begin(), types.end(), [&](const TypeName& t) { return t.name == name; });
  return found == types.end() ? std::nullopt : std::optional(found->dtype);
}

struct Global {
  std::string_view module;
  std::string_view name;
};

// What pickles of tensors and plain data name, beside the types above.  None of it is called here; the list says whose
// meaning is known, so that a tensor is not taken for what it is not.
constexpr std::array<Global, 17> kAllowed = {{{"collections", "OrderedDict"},
                                              {"collections", "Counter"},
                                              {"collections", "defaultdict"},
                                              {"builtins", "set"},
                                              {"builtins", "frozenset"},
                                              {"builtins", "complex"},
                                              {"builtins", "dict"},
                                              {"builtins", "list"},
                                              {"__builtin__", "set"},
                                              {"torch", "Size"},
                                              {"torch", "device"},
                                              {"torch._utils", "_rebuild_tensor_v2"},
                                              {"torch._utils", "_rebuild_tensor_v3"},
                                              {"torch._utils", "_rebuild_parameter"},
                                              {"torch._utils", "_rebuild_parameter_with_state"},
                                              {"torch.serialization", "_get_layout"},
                                              {"torch.storage", "UntypedStorage"}}};

bool IsAllowed(std::string_view module, std::string_view name) {
  if (module == "torch" && (Find(kStorageTypes, name) || Find(kTensorTypes, name))) return true;
  return std::any_of(kAllowed.begin(), kAllowed.end(),
                     [&](const Global& global) { return global.module == module && global.name == name; });
}

absl::Status Malformed(std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("malformed pickle of torch: ", std::string(what)));
}

// A place in the saved object.
struct Path {
  std::uint32_t parent = 0;  // path 0 is the whole object, and its own parent
  bool has_key = false;
  std::string_view key{};  // has_key
  std::int64_t index = 0;  // otherwise
};

// Walks through the graph of a pickle, every node once, and collects the storages.
class Walker {
 public:
  explicit Walker(const Pickle& pickle) : pickle_(pickle), seen_(pickle.nodes.size()) {}

  absl::StatusOr<Storages> Run() {
    paths_.push_back({});
    Visit(pickle_.root, 0);
    while (!pending_.empty()) {
      const auto [ref, path] = pending_.back();
      pending_.pop_back();
      DCAC_RETURN_IF_ERROR(Expand(ref, path));
    }
    Storages storages;
    for (auto& [key, entry] : entries_) storages.emplace(key, std::move(entry.storage));
    return storages;
  }

 private:
  struct Pending {
    PickleRef ref = 0;
    std::uint32_t path = 0;
  };

  const PickleNode& node(PickleRef ref) const { return pickle_.nodes[ref]; }

  void Visit(PickleRef ref, std::uint32_t path) {
    if (seen_[ref]) return;
    seen_[ref] = true;
    pending_.push_back({ref, path});
  }

  // As Visit, one step further down.
  void VisitBelow(PickleRef ref, Path path) {
    if (seen_[ref] || node(ref).items.empty()) return;
    paths_.push_back(path);
    Visit(ref, static_cast<std::uint32_t>(paths_.size() - 1));
  }

  // The last of what is visited here is the first to be expanded, so items are visited backwards.
  absl::Status Expand(PickleRef ref, std::uint32_t path) {
    const std::vector<PickleRef>& items = node(ref).items;
    switch (node(ref).type) {
      case Type::kTuple:
      case Type::kList:
        for (std::size_t i = items.size(); i-- > 0;) {
          VisitBelow(items[i], {.parent = path, .index = static_cast<std::int64_t>(i)});
        }
        return absl::OkStatus();
      case Type::kDict:
        for (std::size_t i = items.size(); i > 0; i -= 2) {
          const PickleNode& key = node(items[i - 2]);
          VisitBelow(items[i - 1],
                     {.parent = path, .has_key = key.type == Type::kString, .key = key.text, .index = key.integer});
        }
        return absl::OkStatus();
      case Type::kObject:
        return ExpandObject(items, path);
      case Type::kPersistent:
        return AddStorage(ref, path).status();
      default:
        return absl::OkStatus();
    }
  }

  absl::Status ExpandObject(const std::vector<PickleRef>& items, std::uint32_t path) {
    const PickleNode& called = node(items[0]);
    if (called.module == "torch._utils" && called.text.starts_with("_rebuild_")) {
      const std::vector<PickleRef>& arguments = node(items[1]).items;
      if (arguments.empty()) return Malformed("a tensor is made of nothing");
      if (called.text.starts_with("_rebuild_tensor")) return AddTensor(called.text, arguments, path);
      Visit(arguments[0], path);  // a parameter is its tensor
      return absl::OkStatus();
    }
    for (std::size_t i = items.size(); i-- > 1;) Visit(items[i], path);
    return absl::OkStatus();
  }

  struct Entry {
    TorchStorage storage;
    DType class_dtype = DType::kU8;
    std::uint64_t bytes = 0;
    bool covered = false;  // the shape is that of a view
  };

  // The storage of a persistent id, which is ("storage", class, key, location, number of elements).
  absl::StatusOr<Entry*> AddStorage(PickleRef ref, std::uint32_t path) {
    constexpr std::int64_t kMostElements = std::int64_t{1} << 56;  // so that their bytes fit 62 bits
    const std::vector<PickleRef>& id = node(node(ref).items[0]).items;
    if (id.size() != 5 || node(id[0]).text != "storage" || node(id[1]).type != Type::kGlobal ||
        node(id[2]).type != Type::kString || node(id[4]).type != Type::kInt || node(id[4]).integer < 0 ||
        node(id[4]).integer > kMostElements) {
      return Malformed("a storage has another form");
    }
    const PickleNode& storage_class = node(id[1]);
    const std::optional<DType> dtype =
        storage_class.module == "torch" ? Find(kStorageTypes, storage_class.text) : DType::kU8;
    if (!dtype) return Malformed("a storage has no type");
    const std::uint64_t elements = Extent(node(id[4]));
    const auto [at, is_new] = entries_.try_emplace(std::string(node(id[2]).text));
    Entry& entry = at->second;
    if (is_new) {
      DCAC_ASSIGN_OR_RETURN(std::string name, NameOf(path));
      entry = {{std::move(name), *dtype, {elements}}, *dtype, elements * SampleBytes(*dtype)};
    } else if (entry.class_dtype != *dtype || entry.bytes != elements * SampleBytes(*dtype)) {
      return Malformed("a storage has two types or sizes");
    }
    return &entry;
  }

  // Arguments: storage, offset, size, stride, ..., the type as the seventh of version 3.
  absl::Status AddTensor(std::string_view function, const std::vector<PickleRef>& arguments, std::uint32_t path) {
    if (arguments.size() < 4 || node(arguments[0]).type != Type::kPersistent) {
      return Malformed("a tensor has no storage");
    }
    DCAC_ASSIGN_OR_RETURN(Entry* const entry, AddStorage(arguments[0], path));
    if (entry->covered) return absl::OkStatus();
    TorchStorage& storage = entry->storage;
    if (function.ends_with("_v3") && arguments.size() > 6) {
      const std::optional<DType> dtype = Find(kTensorTypes, node(arguments[6]).text);
      if (!dtype || entry->bytes % SampleBytes(*dtype) != 0) return Malformed("a tensor has no type of its storage");
      storage.dtype = *dtype;
      storage.shape = {entry->bytes / SampleBytes(*dtype)};
    }
    auto shape = CoveringShape(arguments, storage.shape[0]);
    if (!shape) return absl::OkStatus();
    DCAC_ASSIGN_OR_RETURN(storage.name, NameOf(path));
    storage.shape = *std::move(shape);
    entry->covered = true;
    return absl::OkStatus();
  }

  // The extents of a view in the order of its bytes; nothing if it is not all of a storage of `samples`.
  std::optional<std::vector<std::uint64_t>> CoveringShape(const std::vector<PickleRef>& arguments,
                                                          std::uint64_t samples) const {
    const std::vector<PickleRef>& size = node(arguments[2]).items;
    const std::vector<PickleRef>& stride = node(arguments[3]).items;
    if (node(arguments[1]).integer != 0 || size.size() != stride.size() || size.size() > TensorSpec::kMaxRank) {
      return std::nullopt;
    }
    std::vector<std::size_t> axes(size.size());
    for (std::size_t i = 0; i < axes.size(); ++i) axes[i] = i;
    // Axes of one element may have any stride and stay where they are.
    const auto step = [&](std::size_t axis) { return Extent(node(stride[axis])); };
    const auto extent = [&](std::size_t axis) { return Extent(node(size[axis])); };
    if (!IsContiguous(axes, extent, step, samples)) {
      std::stable_sort(axes.begin(), axes.end(), [&](std::size_t a, std::size_t b) { return step(a) > step(b); });
      if (!IsContiguous(axes, extent, step, samples)) return std::nullopt;
    }
    std::vector<std::uint64_t> shape;
    for (const std::size_t axis : axes) shape.push_back(extent(axis));
    return shape;
  }

  template <typename ExtentOf, typename StepOf>
  static bool IsContiguous(const std::vector<std::size_t>& axes, const ExtentOf& extent, const StepOf& step,
                           std::uint64_t samples) {
    if (std::any_of(axes.begin(), axes.end(), [&](std::size_t axis) { return extent(axis) == 0; })) return samples == 0;
    std::uint64_t expected = 1;
    for (std::size_t i = axes.size(); i-- > 0;) {
      if (extent(axes[i]) == 1) continue;
      if (step(axes[i]) != expected || extent(axes[i]) > samples / expected) return false;
      expected *= extent(axes[i]);
    }
    return expected == samples;
  }

  static std::uint64_t Extent(const PickleNode& number) {
    return number.integer < 0 ? 0 : static_cast<std::uint64_t>(number.integer);
  }

  // Empty for what is too long to be a name.  Errors: InvalidArgument (all of them take too much).
  absl::StatusOr<std::string> NameOf(std::uint32_t path) {
    std::vector<std::string> parts;
    std::size_t bytes = 0;
    const auto is_too_long = [&] { return bytes > kMaxNameBytes || parts.size() > kMaxNameBytes; };
    for (; path != 0 && !is_too_long(); path = paths_[path].parent) {
      const Path& step = paths_[path];
      const bool is_first = step.parent == 0;
      parts.push_back(step.has_key ? absl::StrCat(is_first ? "" : ".", std::string(step.key))
                                   : absl::StrCat("[", step.index, "]"));
      bytes += parts.back().size();
    }
    // Many storages deep down would have far longer names than the pickle itself.
    name_work_ += bytes + parts.size();
    if (name_work_ > kMaxNameWork) {
      return absl::InvalidArgumentError(absl::StrCat("the names of storages have more than ", kMaxNameWork, " bytes"));
    }
    std::string name;
    if (is_too_long()) return name;
    for (std::size_t i = parts.size(); i-- > 0;) name += parts[i];
    return name;
  }

  static constexpr std::size_t kMaxNameWork = 2 * kMaxTableBytes;

  const Pickle& pickle_;
  std::size_t name_work_ = 0;  // bytes and steps of all names
  std::vector<bool> seen_;
  std::vector<Path> paths_;
  std::vector<Pending> pending_;
  std::map<std::string, Entry, std::less<>> entries_;  // by the keys of the storages
};

}  // namespace

absl::StatusOr<std::map<std::string, TorchStorage, std::less<>>> ReadTorchStorages(std::span<const std::byte> pickle) {
  DCAC_ASSIGN_OR_RETURN(const Pickle read, ReadPickle(pickle, IsAllowed));
  return Walker(read).Run();
}

}  // namespace dcac::files
