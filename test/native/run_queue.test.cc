#include "native/bus/run_queue.h"

#include <map>
#include <random>
#include <string>

#include "test/native/check.h"

namespace run_queue_test {
using namespace nvmem;

namespace {

class Named final : public Job {
 public:
  Named(int its_name, const void* its_key, bool is_exclusive, Nanoseconds its_deadline = kNever)
      : name(its_name) {
    key = its_key;
    exclusive = is_exclusive;
    deadline = its_deadline;
  }
  Next step(BusPort&) noexcept override { return {true, 0}; }
  void abandon(BusPort&, int) noexcept override {}
  const int name;
};

int name_of(const Job* job) { return job == nullptr ? -1 : static_cast<const Named*>(job)->name; }

std::unique_ptr<Job> job(int name, const void* key, bool exclusive = false, Nanoseconds deadline = kNever) {
  return std::make_unique<Named>(name, key, exclusive, deadline);
}

const int kKeyA = 0;
const int kKeyB = 0;

/// Names in the order of their turns, none of them ever done.
std::string turns(RunQueue& queue, int count, Nanoseconds now = 0) {
  std::string order;
  for (int i = 0; i < count; ++i) {
    const Job* const next = queue.next(now);
    order += next == nullptr ? "-" : std::to_string(name_of(next));
    if (next != nullptr) (void)queue.stepped({});
  }
  return order;
}

}  // namespace

TEST("run queue of a bus: jobs take turns, and a new one comes before the one that has just had its turn") {
  RunQueue queue;
  queue.add(job(1, &kKeyA));
  queue.add(job(2, &kKeyB));
  CHECK_EQ(turns(queue, 5), "12121");
  queue.add(job(3, &kKeyA));
  CHECK_EQ(turns(queue, 6), "231231");
}

TEST("run queue of a bus: a job that waits for its time lets the others run and then comes first") {
  RunQueue queue;
  queue.add(job(1, &kKeyA));
  queue.add(job(2, &kKeyB));
  CHECK_EQ(name_of(queue.next(0)), 1);
  (void)queue.stepped({false, 100});
  CHECK_EQ(queue.next_event(), 0);
  CHECK_EQ(turns(queue, 3, 99), "222");
  CHECK_EQ(turns(queue, 2, 100), "12");
  CHECK_EQ(name_of(queue.next(100)), 1);
  (void)queue.stepped({false, 300});
  CHECK_EQ(name_of(queue.next(100)), 2);
  (void)queue.stepped({false, 200});
  CHECK_EQ(queue.next_event(), 200);
  CHECK(queue.next(199) == nullptr);
}

TEST("run queue of a bus: a write waits for the reads before it, and what comes later waits for the write") {
  RunQueue queue;
  queue.add(job(1, &kKeyA));
  queue.add(job(2, &kKeyA));
  queue.add(job(3, &kKeyA, true));
  queue.add(job(4, &kKeyA));
  queue.add(job(5, &kKeyB));
  CHECK_EQ(turns(queue, 6), "125125");
  CHECK_EQ(name_of(queue.next(0)), 1);
  CHECK(queue.stepped({true, 0}) != nullptr);
  CHECK_EQ(turns(queue, 4), "2525");
  CHECK_EQ(name_of(queue.next(0)), 2);
  CHECK(queue.stepped({true, 0}) != nullptr);
  CHECK_EQ(turns(queue, 4), "5353");
  CHECK_EQ(name_of(queue.next(0)), 5);
  (void)queue.stepped({true, 0});
  CHECK_EQ(name_of(queue.next(0)), 3);
  (void)queue.stepped({true, 0});
  CHECK_EQ(name_of(queue.next(0)), 4);
  (void)queue.stepped({true, 0});
  CHECK(queue.next(0) == nullptr);
  CHECK(queue.empty());
}

TEST("run queue of a bus: what is taken out makes room in its lane, in order of submission") {
  RunQueue queue;
  queue.add(job(1, &kKeyA, true, 50));
  queue.add(job(2, &kKeyA, true));
  queue.add(job(3, &kKeyA));
  queue.add(job(4, &kKeyB));
  CHECK_EQ(name_of(queue.next(0)), 1);
  (void)queue.stepped({false, 80});
  CHECK_EQ(queue.next_event(), 0);  // 4 may run
  auto taken = queue.take([](const Job& one) { return name_of(&one) <= 2 ? -ENODEV : 0; });
  CHECK_EQ(taken.size(), 2U);
  CHECK_EQ(name_of(taken.front().job.get()), 1);
  CHECK_EQ(name_of(taken.back().job.get()), 2);
  CHECK_EQ(taken.front().reason, -ENODEV);
  CHECK_EQ(turns(queue, 4), "4343");
  CHECK_EQ(queue.take([](const Job&) { return -ECANCELED; }).size(), 2U);
  CHECK(queue.empty());
  CHECK_EQ(queue.next_event(), kNever);
}

TEST("run queue of a bus: a deadline counts while a job waits in its lane") {
  RunQueue queue;
  queue.add(job(1, &kKeyA, true));
  queue.add(job(2, &kKeyA, false, 70));
  CHECK_EQ(name_of(queue.next(0)), 1);
  (void)queue.stepped({false, 100});
  CHECK_EQ(queue.next_event(), 70);
}

// The rule of the lanes and the fairness, on random workloads.
TEST("run queue of a bus: nobody overtakes a write in its lane, nobody starves (random)") {
  const unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  const auto below = [&random](unsigned n) { return static_cast<int>(random() % n); };
  const int keys[3] = {};
  struct Known {
    const void* key;
    bool exclusive;
    int last_turn;
  };
  std::map<int, Known> live;
  RunQueue queue;
  int name = 0;
  bool good = true;
  for (int turn = 0; turn < 20'000; ++turn) {
    if (live.size() < 12 && below(3) == 0) {
      const bool exclusive = below(3) == 0;
      const void* const key = &keys[below(3)];
      live[name] = {key, exclusive, turn};
      queue.add(job(name++, key, exclusive));
    }
    if (below(40) == 0 && !live.empty()) {
      const int victim = std::next(live.begin(), below(static_cast<unsigned>(live.size())))->first;
      const auto taken =
          queue.take([victim](const Job& one) { return name_of(&one) == victim ? -ECANCELED : 0; });
      good = good && taken.size() == 1;
      live.erase(victim);
    }
    const int now = name_of(queue.next(0));
    good = good && (now >= 0) == !live.empty();
    if (now < 0) continue;
    const Known& one = live.at(now);
    std::size_t others = 0;
    for (const auto& [older, known] : live) {
      if (older == now) continue;
      if (older < now && known.key == one.key) good = good && !one.exclusive && !known.exclusive;
      ++others;
    }
    // No lane is longer than 12 and no job has more than 12 others to wait for; each turn ends with chance
    // 1/4.
    good = good && turn - one.last_turn < 2'000 && others < 12;
    live[now].last_turn = turn;
    const bool done = below(4) == 0;
    const bool out = queue.stepped({done, 0}) != nullptr;
    good = good && out == done;
    if (done) live.erase(now);
  }
  if (!good) std::printf("  seed %u\n", seed);
  CHECK(good);
}

}  // namespace run_queue_test
