// srcu-torture [--seconds S] [--seed N] [--until-caught]
// Readers and updaters of every kind against one pointer; S seconds in all, shared by the profiles and modes.
// Ends with 0 when nothing was seen. With --until-caught the build is one with a fault put in: ends with 0 as
// soon as an error is seen, with 1 when none was within S seconds.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

#include "native/srcu/variant.h"
#include "test/native/torture/rig.h"

using namespace torture;

namespace {

constexpr const char* kVariantNames[] = {"as it is", "no grace period", "no heavy fence", "one index only",
                                         "counters before stamps"};

void print(const Counts& counts) {
  const char* separator = "torture:";
  for (std::size_t i = 0; i < kCounts; ++i) {
    std::printf("%s %llu %s", separator, static_cast<unsigned long long>(counts.get(static_cast<Count>(i))),
                kCountNames[i]);
    separator = ",";
  }
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  double seconds = 8;
  std::uint64_t seed = std::random_device{}();
  bool until_caught = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--until-caught") == 0) {
      until_caught = true;
    } else if (std::strcmp(argv[i], "--seconds") == 0 && i + 1 < argc) {
      seconds = std::atof(argv[++i]);
    } else if (std::strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
      seed = std::strtoull(argv[++i], nullptr, 0);
    } else {
      std::fprintf(stderr, "usage: srcu-torture [--seconds S] [--seed N] [--until-caught]\n");
      return 2;
    }
  }
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  // A grace period that never ends would hang the run: SIGALRM ends it.
  ::alarm(static_cast<unsigned>(seconds) * 3 + 120);

  const bool asymmetric = nvmem::srcu::wait_until_settled();
  std::printf("torture: %s, %s, seed %llu, %.0f s\n",
              kVariantNames[static_cast<int>(nvmem::srcu::detail::kVariant)],
              asymmetric ? "membarrier" : "no membarrier here: symmetric only",
              static_cast<unsigned long long>(seed), seconds);
  Counts counts;
  Random random(seed);
  if (until_caught) {
    // The symmetric mode has no heavy fence to leave out, so only the automatic one is asked.
    constexpr double kSlice = 1;
    for (double spent = 0; spent < seconds && counts.get(kErrors) == 0; spent += 2 * kSlice) {
      for (const Profile& profile : {kPair, kCrowd}) {
        Rig(profile, nvmem::srcu::Mode::kAutomatic, random.next(), true, counts).run(kSlice);
        if (counts.get(kErrors) != 0) break;
      }
    }
    print(counts);
    std::printf("torture: the fault was %s\n", counts.get(kErrors) != 0 ? "caught" : "NOT caught");
    return counts.get(kErrors) != 0 ? 0 : 1;
  }
  for (const nvmem::srcu::Mode mode : {nvmem::srcu::Mode::kAutomatic, nvmem::srcu::Mode::kSymmetric}) {
    for (const Profile& profile : {kPair, kCrowd})
      Rig(profile, mode, random.next(), false, counts).run(seconds / 4);
  }
  print(counts);
  return counts.get(kErrors) == 0 ? 0 : 1;
}
