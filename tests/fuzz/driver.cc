// Runs a fuzz target without libFuzzer: all inputs of the corpus, then mutations of them.  Seed and number of runs
// determine every input, on every machine.  An input that fails, takes too long or too much memory ends the program and
// is left as a file.
//   TARGET [--runs=N] [--seed=S] [--max-len=BYTES] [--max-seconds=S] [--max-memory-mb=MB] [--artifacts=DIR]
//   [--outcomes]
//          FILE|DIR...
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/fuzz/fuzz.h"
#include "tests/testing/counted_memory.h"

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv);
extern "C" __attribute__((weak)) std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                                                     std::size_t max_size, unsigned int seed);

namespace {

using Clock = std::chrono::steady_clock;
using Input = std::vector<std::uint8_t>;

struct Options {
  std::uint64_t runs = 10000, seed = 1, max_len = 1 << 16, max_seconds = 10, max_memory_mb = 64;
  std::string artifacts = ".";
  std::vector<std::string> corpus;
};

class SplitMix64 {
 public:
  explicit SplitMix64(std::uint64_t seed) : state_(seed) {}

  std::uint64_t Bits() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }
  std::uint64_t Below(std::uint64_t n) { return Bits() % n; }

 private:
  std::uint64_t state_;
};

// Of the whole program, because LLVMFuzzerMutate and signal handlers have no other way to them.
SplitMix64 random_numbers(0);
std::vector<Input> corpus;
const std::uint8_t* current_data = nullptr;
std::size_t current_size = 0;
std::atomic<Clock::rep> current_since{0};  // 0: none runs
char artifact_path[4096];

// Async-signal-safe.
void SaveCurrentInput() {
  if (current_data == nullptr) return;
  const int fd = open(artifact_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0 || write(fd, current_data, current_size) < 0) return;
  close(fd);
  for (const char* text : {"the input is in ", static_cast<const char*>(artifact_path), "\n"}) {
    if (write(STDERR_FILENO, text, std::strlen(text)) < 0) return;
  }
}

void OnSignal(int number) {
  SaveCurrentInput();
  signal(number, SIG_DFL);
  raise(number);
}

// On a stack of its own: the input may have used up the other one.
void CatchSignals() {
  static std::array<char, 1 << 16> stack;
  stack_t alternative{};
  alternative.ss_sp = stack.data();
  alternative.ss_size = stack.size();
  sigaltstack(&alternative, nullptr);
  struct sigaction action {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_ONSTACK;
  for (int number : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) sigaction(number, &action, nullptr);
}

[[noreturn]] void Die(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  SaveCurrentInput();
  std::_Exit(1);
}

void Watch(std::uint64_t max_seconds) {
  for (;;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    const Clock::rep since = current_since;
    if (since != 0 && Clock::now() - Clock::time_point(Clock::duration(since)) > std::chrono::seconds(max_seconds))
      Die("an input took more than " + std::to_string(max_seconds) + " s");
  }
}

struct Worst {
  double seconds = 0;
  std::size_t memory = 0;
};

void Run(const Input& input, const Options& options, Worst& worst) {
  // Memory of its own size, so that a sanitizer sees a read beyond the end.
  const Input exact(input);
  current_data = exact.data();
  current_size = exact.size();
  const Clock::time_point begin = Clock::now();
  current_since = begin.time_since_epoch().count();
  const std::size_t memory = dcac::testing::PeakOf([&] { LLVMFuzzerTestOneInput(exact.data(), exact.size()); });
  worst.seconds = std::max(worst.seconds, std::chrono::duration<double>(Clock::now() - begin).count());
  worst.memory = std::max(worst.memory, memory);
  if (memory > options.max_memory_mb << 20)
    Die("an input took " + std::to_string(memory) + " bytes, expected at most " +
        std::to_string(options.max_memory_mb) + " MiB");
  current_since = 0;
  current_data = nullptr;
}

constexpr std::uint8_t kInterestingBytes[] = {0, 1, 2, 7, 8, 15, 16, 31, 32, 64, 127, 128, 129, 192, 254, 255};

// A number that a count, a length or an offset of a file could be, little-endian, at `at`.
void PutNumber(std::uint8_t* data, std::size_t size, std::size_t at) {
  const std::uint64_t bits = random_numbers.Below(64);
  const std::uint64_t value = (std::uint64_t{1} << bits) + random_numbers.Below(3) - 1;
  const std::size_t bytes = std::size_t{1} << random_numbers.Below(4);
  for (std::size_t i = 0; i < bytes && at + i < size; ++i) data[at + i] = static_cast<std::uint8_t>(value >> (8 * i));
}

std::size_t Insert(std::uint8_t* data, std::size_t size, std::size_t max_size) {
  const std::size_t count = std::min(std::size_t{1} << random_numbers.Below(6), max_size - size);
  const std::size_t at = random_numbers.Below(size + 1);
  std::memmove(data + at + count, data + at, size - at);
  const bool repeats = random_numbers.Below(2) == 0 && size > 0;
  for (std::size_t i = 0; i < count; ++i)
    data[at + i] = static_cast<std::uint8_t>(repeats ? data[at > 0 ? at - 1 : at + count] : random_numbers.Bits());
  return size + count;
}

std::size_t Erase(std::uint8_t* data, std::size_t size) {
  const std::size_t at = random_numbers.Below(size);
  const std::size_t count = std::min(std::size_t{1} << random_numbers.Below(7), size - at);
  std::memmove(data + at, data + at + count, size - at - count);
  return size - count;
}

// A piece of this input, or of another one, over a place of this one.
void CopyPiece(std::uint8_t* data, std::size_t size) {
  const Input own(data, data + size);
  const Input& from = random_numbers.Below(2) == 0 ? own : corpus[random_numbers.Below(corpus.size())];
  if (from.empty()) return;
  const std::size_t source = random_numbers.Below(from.size()), target = random_numbers.Below(size);
  const std::size_t count = 1 + random_numbers.Below(std::min<std::size_t>({from.size() - source, size - target, 64}));
  std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(source), count, data + target);
}

Options ParseOptions(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const auto number = [&](std::string_view name, std::uint64_t& value) {
      if (!argument.starts_with(name)) return false;
      const auto [end, error] =
          std::from_chars(argument.data() + name.size(), argument.data() + argument.size(), value);
      if (error != std::errc() || end != argument.data() + argument.size())
        Die(std::string(argument) + ": expected a number");
      return true;
    };
    constexpr std::string_view kArtifacts = "--artifacts=";
    if (number("--runs=", options.runs) || number("--seed=", options.seed) || number("--max-len=", options.max_len) ||
        number("--max-seconds=", options.max_seconds) || number("--max-memory-mb=", options.max_memory_mb))
      continue;
    if (argument.starts_with(kArtifacts)) {
      options.artifacts = argument.substr(kArtifacts.size());
    } else if (argument == "--outcomes") {
      dcac::fuzz::EnableOutcomes();
    } else if (argument.starts_with("-")) {
      Die("unknown option " + std::string(argument) +
          ", expected --runs, --seed, --max-len, --max-seconds, --max-memory-mb, --artifacts or --outcomes");
    } else {
      options.corpus.emplace_back(argument);
    }
  }
  return options;
}

void ReadCorpus(const Options& options) {
  std::vector<std::filesystem::path> paths;
  for (const std::string& path : options.corpus) {
    if (!std::filesystem::exists(path)) Die(path + ": no such file or folder");
    if (!std::filesystem::is_directory(path)) {
      paths.emplace_back(path);
      continue;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path))
      if (entry.is_regular_file()) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  for (const std::filesystem::path& path : paths) {
    std::ifstream file(path, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
}

Input Mutated(const Options& options) {
  Input input = corpus[random_numbers.Below(corpus.size())];
  std::size_t size = std::min<std::size_t>(input.size(), options.max_len);
  input.resize(options.max_len);
  for (std::uint64_t steps = std::uint64_t{1} << random_numbers.Below(4); steps > 0; --steps) {
    const unsigned seed = static_cast<unsigned>(random_numbers.Bits());
    size = LLVMFuzzerCustomMutator != nullptr ? LLVMFuzzerCustomMutator(input.data(), size, input.size(), seed)
                                              : LLVMFuzzerMutate(input.data(), size, input.size());
  }
  input.resize(size);
  return input;
}

}  // namespace

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size) {
  if (size == 0 || (size < max_size && random_numbers.Below(8) == 0)) return Insert(data, size, max_size);
  const std::size_t at = random_numbers.Below(size);
  switch (random_numbers.Below(7)) {
    case 0:
      data[at] ^= static_cast<std::uint8_t>(1 << random_numbers.Below(8));
      break;
    case 1:
      data[at] = static_cast<std::uint8_t>(random_numbers.Bits());
      break;
    case 2:
      data[at] = kInterestingBytes[random_numbers.Below(std::size(kInterestingBytes))];
      break;
    case 3:
      data[at] = static_cast<std::uint8_t>(data[at] + random_numbers.Below(9) - 4);
      break;
    case 4:
      PutNumber(data, size, at);
      break;
    case 5:
      CopyPiece(data, size);
      break;
    default:
      return Erase(data, size);
  }
  return size;
}

int main(int argc, char** argv) {
  const Options options = ParseOptions(argc, argv);
  LLVMFuzzerInitialize(&argc, &argv);
  const std::string name = std::filesystem::path(argv[0]).filename();
  std::snprintf(artifact_path, sizeof(artifact_path), "%s/%s.failed", options.artifacts.c_str(), name.c_str());
  ReadCorpus(options);
  if (corpus.empty()) corpus.emplace_back();
  CatchSignals();
  std::thread(Watch, options.max_seconds).detach();
  random_numbers = SplitMix64(options.seed);

  Worst worst;
  for (const Input& input : corpus) Run(input, options, worst);
  for (std::uint64_t i = 0; i < options.runs; ++i) Run(Mutated(options), options, worst);
  std::printf("%s: %zu inputs of the corpus, %llu mutated ones, worst time %.3f s, most memory %zu KiB\n", name.c_str(),
              corpus.size(), static_cast<unsigned long long>(options.runs), worst.seconds, worst.memory >> 10);
  dcac::fuzz::PrintOutcomes();
  std::fflush(nullptr);
  std::_Exit(0);  // the watching thread still runs
}
