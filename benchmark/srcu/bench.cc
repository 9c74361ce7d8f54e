// bench-srcu [ROUNDS]: nanoseconds of a read-side section, and microseconds of a grace period. Rows are
// measured round-robin in one process, so that whatever else the machine does hits all of them; quote the
// ratios.
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "benchmark/srcu/rows.h"

namespace bench {
namespace {

constexpr double kSample = 0.008;  // seconds of one sample
constexpr unsigned long kReadTurns = 4'000'000;
constexpr int kGracePeriods = 200;  // in one sample
constexpr const char* kReference = "liburcu memb, inlined";

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

void pin(unsigned cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu % std::max(1U, std::thread::hardware_concurrency()), &set);
  ::sched_setaffinity(0, sizeof set, &set);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

struct Row {
  std::string name;
  std::function<void(unsigned long)> loop;
  unsigned long turns = 1000;
  std::vector<double> samples[2] = {};  ///< ns, by threads - 1
};

/// Slowest of `threads` pinned threads that start together, ns a turn.
double sample(const Row& row, unsigned threads) {
  std::atomic<unsigned> ready{0};
  std::vector<double> took(threads);
  const auto body = [&](unsigned index) {
    pin(index);
    row.loop(64);  // registers the thread, warms the lines
    ready.fetch_add(1);
    while (ready.load() < threads) continue;
    const Clock::time_point start = Clock::now();
    row.loop(row.turns);
    took[index] = since(start) * 1e9 / static_cast<double>(row.turns);
  };
  std::vector<std::thread> running;
  for (unsigned i = 0; i < threads; ++i) running.emplace_back(body, i);
  for (std::thread& thread : running) thread.join();
  return *std::max_element(took.begin(), took.end());
}

template <class Protection>
void add(std::vector<Row>& rows) {
  auto* protection = new Protection;  // used until the process ends
  rows.push_back({Protection::kName, [protection](unsigned long turns) { protection->loop(turns); }});
  Row& row = rows.back();
  row.turns = static_cast<unsigned long>(
      std::max(1000.0, kSample * 1e9 / std::max(0.1, sample({row.name, row.loop, 200000}, 1))));
}

/// One updater, and a reader that is always in or near a section where `busy`.
struct Updater {
  std::string name;
  std::function<void()> synchronize;
  std::function<void(unsigned long)> read;
  // The updating thread is a reader too, outside of every section: with no reader known there is nothing to
  // wait for, and liburcu does not even fence.
  std::function<void()> prepare;
  std::function<void()> finish = [] {};
  std::vector<double> samples[2] = {};  ///< µs, idle and busy
};

double grace_period(const Updater& updater, bool busy) {
  std::atomic<bool> stop{false};
  std::atomic<bool> reading{!busy};
  std::thread reader;
  if (busy) {
    reader = std::thread([&] {
      pin(1);
      updater.read(1000);
      reading.store(true);
      // Long calls: each registers with its library, under a lock that the updater holds most of the time.
      while (!stop.load(std::memory_order_relaxed)) updater.read(kReadTurns);
    });
  }
  double result = 0;
  std::thread([&] {
    pin(0);
    updater.prepare();
    while (!reading.load()) std::this_thread::yield();
    std::vector<double> each;
    for (int i = 0; i < kGracePeriods; ++i) {
      const Clock::time_point start = Clock::now();
      updater.synchronize();
      each.push_back(since(start) * 1e6);
    }
    result = median(each);
    updater.finish();
  }).join();
  stop = true;
  if (busy) reader.join();
  return result;
}

template <class RowType>
double reference(const std::vector<RowType>& rows, int which, const char* name) {
  for (const RowType& row : rows) {
    if (row.name == name) return median(row.samples[which]);
  }
  return 0;
}

template <class RowType>
void print(const char* title, const char* unit, const char* const (&columns)[2],
           const std::vector<RowType>& rows, const char* compared) {
  std::printf("\n%s, %s: median (min to max), ratio to %s\n", title, unit, compared);
  std::printf("%-36s %-30s %-30s second/first\n", "", columns[0], columns[1]);
  for (const RowType& row : rows) {
    std::printf("%-36s ", row.name.c_str());
    for (int which = 0; which < 2; ++which) {
      const std::vector<double>& samples = row.samples[which];
      const double middle = median(samples);
      const double base = reference(rows, which, compared);
      const auto [low, high] = std::minmax_element(samples.begin(), samples.end());
      char text[64];
      char ratio[16] = "";
      if (base > 0) std::snprintf(ratio, sizeof ratio, "x%.2f", middle / base);
      std::snprintf(text, sizeof text, "%7.2f (%.2f-%.2f) %s", middle, *low, *high, ratio);
      std::printf("%-30s ", text);
    }
    std::printf("x%.2f\n", median(row.samples[1]) / median(row.samples[0]));
  }
}

void run(int rounds) {
  std::printf("membarrier: %s; %u processors; %d rounds\n", srcu::wait_until_settled() ? "yes" : "no",
              std::thread::hardware_concurrency(), rounds);
  std::vector<Row> rows;
  add<Unprotected>(rows);
  add<ScopeReader>(rows);
  add<ScopeLookUp>(rows);
  add<HoldReader>(rows);
  add<HoldLookUp>(rows);
  add<Upgraded>(rows);
  add<LabelledHold>(rows);
  add<SymmetricScope>(rows);
#ifdef BENCH_URCU
  add<UrcuMemb>(rows);
#endif
#ifdef BENCH_CK
  add<CkEpoch>(rows);
#endif
  add<SharedMutex>(rows);
  add<AtomicSharedPtr>(rows);

  std::vector<Updater> updaters;
  auto* ours = new ScopeReader;
  updaters.push_back({"nvmem synchronize", [ours] { static_cast<void>(ours->domain.synchronize()); },
                      [ours](unsigned long turns) { ours->loop(turns); }, [ours] { ours->loop(1); }});
  auto* symmetric = new SymmetricScope;
  updaters.push_back({"nvmem synchronize, symmetric mode",
                      [symmetric] { static_cast<void>(symmetric->domain.synchronize()); },
                      [symmetric](unsigned long turns) { symmetric->loop(turns); },
                      [symmetric] { symmetric->loop(1); }});
#ifdef BENCH_URCU
  auto* memb = new UrcuMemb;
  updaters.push_back({kReference, [] { urcu_memb_synchronize_rcu(); },
                      [memb](unsigned long turns) { memb->loop(turns); }, [] { urcu_memb_register_thread(); },
                      [] { urcu_memb_unregister_thread(); }});
#endif

  for (int round = 0; round < rounds; ++round) {
    for (unsigned threads : {1U, 2U}) {
      for (Row& row : rows) row.samples[threads - 1].push_back(sample(row, threads));
    }
    for (Updater& updater : updaters) {
      updater.samples[0].push_back(grace_period(updater, false));
      updater.samples[1].push_back(grace_period(updater, true));
    }
  }
#ifdef BENCH_URCU
  const char* const compared = kReference;
#else
  const char* const compared = "unprotected load";
#endif
  print("section with one load", "ns", {"1 thread", "2 threads"}, rows, compared);
  print("grace period", "us", {"idle", "1 running reader"}, updaters,
        std::string(compared) == kReference ? kReference : "nvmem synchronize");
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  bench::run(argc > 1 ? std::clamp(std::atoi(argv[1]), 1, 1000) : 15);
  return 0;
}
