// What an EEPROM's requests come to when something goes wrong at any operation of them.
#include <algorithm>
#include <chrono>
#include <string>

#include "test/native/at24_bench.h"

namespace at24_faults_test {
using namespace nvmem;
using fake::At24Bench;
using fake::Eeprom;
using fake::Fault;
using fake::Kind;
using fake::model;
using fake::Op;
using fake::pattern;

namespace {

constexpr std::uint64_t kOffset = 20;
constexpr std::size_t kLength = 80;  // with 32-byte pages: 12, 32, 32 and 4 bytes
constexpr std::size_t kAll = 1000;

std::vector<std::uint8_t> inverse(std::vector<std::uint8_t> bytes) {
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(~byte);
  return bytes;
}

/// A write of `kLength` bytes over their inverse, to which something happens.
struct Trial {
  At24Bench bench;
  Eeprom& part = bench.world.add(model());
  std::vector<std::uint8_t> data = pattern(kLength, 1);
  std::vector<std::uint8_t> before;
  std::unique_ptr<At24> provider;
  std::shared_ptr<CancelToken> token = std::make_shared<CancelToken>();
  Nanoseconds deadline = kNever;
  Outcome outcome;

  Trial() {
    part.memory = pattern(part.size, 2);
    const auto old = inverse(data);
    std::copy(old.begin(), old.end(), part.memory.begin() + kOffset);
    before = part.memory;
  }
  void run() {
    bench.open(true);
    provider = bench.provider(part);
    auto request = bench.write(kOffset, data);
    request->verify = true;
    request->cancel = token;
    request->deadline = deadline;
    const auto id = bench.start(*provider, std::move(request));
    bench.go();
    outcome = bench.sink->wait(id).outcome;
  }
  /// What the outcome says about the memory is true.
  bool honest() {
    const std::uint64_t committed = outcome.transferred;
    const std::uint64_t end = committed + outcome.uncertain;
    bool good = end <= kLength && outcome.uncertain <= part.page;
    for (std::size_t i = 0; good && i < part.size; ++i) {
      const bool ours = i >= kOffset && i < kOffset + kLength;
      const std::size_t at = i - kOffset;
      if (ours && at < committed) {
        good = part.memory[i] == data[at];
      } else if (!ours || at >= end) {
        good = part.memory[i] == before[i];
      }
    }
    return good;
  }
  /// The bus has survived: the same write succeeds.
  bool works_again() {
    bench.world.before = nullptr;
    auto request = bench.write(kOffset, data);
    request->verify = true;
    const Outcome again = bench.run(*provider, std::move(request)).outcome;
    return again.status == 0 && again.transferred == kLength && bench.world.levels[2];
  }
};

/// Operations of a trial without a fault, and when each of them began.
std::vector<Op> undisturbed() {
  Trial trial;
  trial.run();
  CHECK_EQ(trial.outcome.status, 0);
  CHECK_EQ(trial.outcome.transferred, kLength);
  CHECK_EQ(trial.part.cycles, 4U);
  trial.bench.close();
  std::vector<Op> ops;
  for (const Op& op : trial.bench.world.log) {
    if (op.kind != Kind::kIdle) ops.push_back(op);
  }
  return ops;
}

const Fault kBefore{.status = 0, .reaches = 0};
const Fault kTorn{.status = 0, .reaches = 3};
const Fault kTornStored{.status = 0, .reaches = 3, .stop_follows = true};
const Fault kAfter{.status = 0, .reaches = kAll};

}  // namespace

TEST("at24 faults: unplugged at every operation of a write, the outcome is true") {
  const std::vector<Op> ops = undisturbed();
  CHECK(ops.size() >= 20);
  for (std::size_t k = 0; k < ops.size(); ++k) {
    for (Fault fault : {kBefore, kTorn, kTornStored, kAfter}) {
      fault.status = -ENODEV;
      fault.gone = true;
      Trial trial;
      trial.bench.world.before = [&](std::size_t index, const Op&) { return index == k ? fault : Fault{}; };
      trial.run();
      trial.bench.wait_event("gone unplugged");
      // The last but one operation puts write protect back up; the write itself is through by then.
      // Looked at, claimed, lowered: from then on there is a lease.
      const bool leased = k > 2 && k < ops.size();
      CHECK_EQ(trial.outcome.status, -ENODEV);
      CHECK_EQ(trial.outcome.reason, "unplugged");
      CHECK(trial.honest());
      if (leased && ops[k].kind != Kind::kRead) CHECK_EQ(trial.outcome.protect_status, -ENODEV);
      const bool verifies = ops[k].kind == Kind::kRead && k > 0;
      if (verifies) CHECK_EQ(trial.outcome.transferred, kLength);
      trial.bench.close();
      const auto failed = std::count_if(trial.bench.world.log.begin(), trial.bench.world.log.end(),
                                        [](const Op& op) { return op.status == -ENODEV; });
      CHECK_EQ(failed, 1);  // no I/O after the one that told
    }
  }
}

TEST("at24 faults: an error at every operation of a write, the outcome is true and write protect is up") {
  const std::vector<Op> ops = undisturbed();
  for (std::size_t k = 0; k < ops.size(); ++k) {
    for (const int error : {-EIO, -ETIMEDOUT, -EBUSY}) {
      for (Fault fault : {kBefore, kTorn, kTornStored, kAfter}) {
        fault.status = error;
        Trial trial;
        trial.bench.world.before = [&](std::size_t index, const Op&) { return index == k ? fault : Fault{}; };
        trial.run();
        // A raise is tried twice before its failure is reported.
        const bool raise = ops[k].kind == Kind::kSet && ops[k].bytes[0] == 1;
        CHECK_EQ(trial.outcome.status, raise ? 0 : error);
        CHECK_EQ(trial.outcome.protect_status, 0);
        CHECK(trial.honest());
        CHECK(trial.works_again());
      }
    }
  }
}

TEST("at24 faults: cancelled at every operation of a write, the outcome is true and write protect is up") {
  const std::vector<Op> ops = undisturbed();
  for (std::size_t k = 0; k < ops.size(); ++k) {
    for (Fault fault : {kBefore, kTorn, kTornStored, kAfter, Fault{}}) {
      const bool during = fault.status == 0 && fault.reaches != 0;
      Trial trial;
      trial.bench.world.before = [&](std::size_t index, const Op& op) {
        if (index != k) return Fault{};
        trial.token->cancel(-ECANCELED);
        if (op.kind == Kind::kSet && op.bytes[0] == 1) return Fault{};  // a raise cannot be cancelled
        Fault now = fault;
        if (during) now.status = -ECANCELED;
        return now;
      };
      trial.run();
      CHECK_EQ(trial.outcome.status, -ECANCELED);
      CHECK_EQ(trial.outcome.protect_status, 0);
      CHECK(trial.honest());
      CHECK(trial.works_again());
    }
  }
}

TEST("at24 faults: a deadline at any moment of a write, the outcome is true and write protect is up") {
  const std::vector<Op> ops = undisturbed();
  for (const Op& op : ops) {
    for (const Nanoseconds after : {-50 * kMicrosecond, 0L, 100 * kMicrosecond}) {
      Trial trial;
      trial.deadline = op.at + after;
      trial.run();
      const Nanoseconds ended = trial.bench.world.clock.now();
      const bool too_late = trial.outcome.status == 0;
      CHECK(too_late ? op.at + after >= ops.back().at : trial.outcome.status == -ETIMEDOUT);
      CHECK(too_late || ended <= std::max(trial.deadline, ops[0].at));
      CHECK(trial.honest());
      CHECK(trial.works_again());
    }
  }
}

TEST("at24 faults: closed or unregistered at every operation of a write, write protect is up first") {
  const std::vector<Op> ops = undisturbed();
  for (std::size_t k = 0; k < ops.size(); ++k) {
    for (const bool close : {false, true}) {
      Trial trial;
      bool protected_first = false;
      trial.bench.sink->on_complete = [&](std::uint64_t) {
        const auto level = trial.bench.world.levels.find(2);
        protected_first = level == trial.bench.world.levels.end() || level->second;
      };
      trial.bench.world.before = [&](std::size_t index, const Op&) {
        if (index == k) close ? trial.bench.bus->close() : trial.provider->stop();
        return Fault{};
      };
      trial.run();
      CHECK_EQ(trial.outcome.status, -ENODEV);
      CHECK_EQ(trial.outcome.protect_status, 0);
      CHECK(protected_first);
      CHECK(trial.honest());
      trial.bench.close();
      const std::vector<std::string> events = trial.bench.events();
      CHECK(std::none_of(events.begin(), events.end(),
                         [](const std::string& event) { return event.starts_with("gone"); }));
    }
  }
}

TEST("at24 faults: cancelled between two pages, nothing is uncertain; in the write cycle, one page is") {
  Trial between;
  between.bench.sink->on_progress = [&](std::uint64_t done) {
    if (done == 44) between.token->cancel(-ECANCELED);
  };
  between.run();
  CHECK_EQ(between.outcome.status, -ECANCELED);
  CHECK_EQ(between.outcome.transferred, 44U);
  CHECK_EQ(between.outcome.uncertain, 0U);
  CHECK(between.honest());

  Trial in_cycle;
  in_cycle.bench.world.before = [&](std::size_t, const Op& op) {
    if (op.kind == Kind::kWrite && op.length == 0) in_cycle.token->cancel(-ECANCELED);
    return Fault{};
  };
  in_cycle.run();
  CHECK_EQ(in_cycle.outcome.transferred, 0U);
  CHECK_EQ(in_cycle.outcome.uncertain, 12U);
  CHECK(in_cycle.honest());
}

TEST("at24 faults: two writers on one line share its lease; it moves twice and is low at every page") {
  At24Bench bench;
  Eeprom second = model();
  second.address = 0x51;
  Eeprom& one = bench.world.add(model());
  Eeprom& two = bench.world.add(second);
  bool low = true;
  bench.world.before = [&](std::size_t, const Op& op) {
    if (op.kind == Kind::kWrite && op.length > 0) low = low && !bench.world.levels[2];
    return Fault{};
  };
  bench.open(true);
  const auto first = bench.provider(one);
  const auto other = bench.provider(two);
  const auto a = bench.start(*first, bench.write(0, pattern(64, 3)));
  const auto b = bench.start(*other, bench.write(0, pattern(320, 4)));
  bench.go();
  CHECK_EQ(bench.sink->wait(a).outcome.status, 0);
  CHECK_EQ(bench.sink->wait(b).outcome.status, 0);
  bench.close();
  CHECK(low);
  CHECK(std::equal(one.memory.begin(), one.memory.begin() + 64, pattern(64, 3).begin()));
  CHECK(std::equal(two.memory.begin(), two.memory.begin() + 320, pattern(320, 4).begin()));
  std::string moves;
  for (const Op& op : bench.world.log) {
    if (op.kind == Kind::kOutput || op.kind == Kind::kSet) moves += op.bytes[0] != 0 ? "1" : "0";
  }
  CHECK_EQ(moves, "101");
}

TEST(
    "at24 faults: a line that cannot be lowered, nothing is written; one that cannot be raised is told "
    "apart") {
  Trial lower;
  lower.bench.world.before = [](std::size_t, const Op& op) {
    return op.kind == Kind::kSet && op.bytes[0] == 0 ? Fault{.status = -EIO} : Fault{};
  };
  lower.run();
  CHECK_EQ(lower.outcome.status, -EIO);
  CHECK_EQ(lower.outcome.transferred + lower.outcome.uncertain, 0U);
  CHECK(lower.honest());
  lower.bench.close();
  for (const Op& op : lower.bench.world.transfers()) CHECK(op.kind == Kind::kRead);

  Trial raise;
  bool stuck = true;
  raise.bench.world.before = [&](std::size_t, const Op& op) {
    return stuck && op.kind == Kind::kSet && op.bytes[0] == 1 ? Fault{.status = -EIO} : Fault{};
  };
  raise.bench.sink->on_complete = [&](std::uint64_t) { stuck = false; };
  raise.run();
  CHECK_EQ(raise.outcome.status, 0);
  CHECK_EQ(raise.outcome.transferred, kLength);
  CHECK_EQ(raise.outcome.protect_status, -EIO);
  raise.bench.close();
  CHECK(raise.bench.world.levels[2]);  // tried again in the end
}

TEST("at24 faults: write protect from outside: ST refuses, Microchip drops and only reading back shows it") {
  for (const bool refuses : {true, false}) {
    At24Bench bench;
    Eeprom part_model = model();
    part_model.refuses_when_protected = refuses;
    part_model.wp_line = 5;
    Eeprom& part = bench.world.add(part_model);
    At24Config config = At24Bench::config_of(part);
    config.wp.reset();
    part.memory = pattern(part.size, 5);
    const auto before = part.memory;
    bench.open();
    At24 provider(bench.bus, config);
    // The second of three pages is in the protected half.
    bench.world.before = [&](std::size_t, const Op& op) {
      bench.world.levels[5] = op.bytes.size() > 2 && op.bytes[1] == 32;
      return Fault{};
    };
    auto request = bench.write(16, inverse({before.begin() + 16, before.begin() + 80}));
    request->verify = true;
    const Outcome outcome = bench.run(provider, std::move(request)).outcome;
    CHECK_EQ(outcome.uncertain, 0U);
    CHECK_EQ(outcome.protect_status, 0);
    CHECK(std::equal(before.begin() + 32, before.begin() + 64, part.memory.begin() + 32));
    if (refuses) {
      CHECK_EQ(outcome.status, -EPERM);
      CHECK_EQ(outcome.transferred, 16U);
      CHECK(std::equal(before.begin() + 32, before.end(), part.memory.begin() + 32));
    } else {
      CHECK_EQ(outcome.status, -EBADMSG);
      CHECK_EQ(outcome.transferred, 64U);
      CHECK_EQ(outcome.mismatch_offset, 32U);
      CHECK_EQ(outcome.mismatch_count, 32U);
    }
    CHECK(!outcome.reason.empty());
  }
}

TEST(
    "at24 faults: a part that refuses a byte in the middle of a page and stores the rest is not called "
    "protected") {
  Trial trial;
  trial.bench.world.before = [](std::size_t, const Op& op) {
    return op.kind == Kind::kWrite && op.length == 32
               ? Fault{.status = -EREMOTEIO, .reaches = 5, .stop_follows = true}
               : Fault{};
  };
  trial.run();
  CHECK_EQ(trial.outcome.status, -EIO);
  CHECK_EQ(trial.outcome.transferred, 12U);
  CHECK_EQ(trial.outcome.uncertain, 32U);
  CHECK(trial.honest());
}

TEST("at24 faults: a read is unplugged at every chunk, and every request behind it ends") {
  for (std::size_t k = 0; k < 8; ++k) {
    At24Bench bench;
    Eeprom& part = bench.world.add(model());
    part.memory = pattern(part.size, 6);
    bench.world.before = [&](std::size_t index, const Op&) {
      return index == k ? Fault{.status = -ENODEV, .reaches = 7 * k, .gone = true} : Fault{};
    };
    bench.open(true);
    const auto provider = bench.provider(part);
    const auto id = bench.start(*provider, bench.read(0, 4096));
    const auto queued = bench.start(*provider, bench.write(0, {1}));
    bench.go();
    const auto done = bench.sink->wait(id);
    CHECK_EQ(done.outcome.status, -ENODEV);
    CHECK_EQ(done.outcome.transferred, 519 * k);
    CHECK(std::equal(done.data.begin(), done.data.begin() + static_cast<std::ptrdiff_t>(519 * k),
                     part.memory.begin()) ||
          k > 0);
    CHECK(std::equal(done.data.begin(),
                     done.data.begin() + static_cast<std::ptrdiff_t>(done.outcome.transferred),
                     part.memory.begin()));
    CHECK_EQ(bench.sink->wait(queued).outcome.status, -ENODEV);
    bench.wait_event("closed");
    CHECK_EQ(bench.run(*provider, bench.read(0, 1)).outcome.status, -ENODEV);
    CHECK_EQ(bench.run(*provider, bench.read(0, 0)).outcome.status, -ENODEV);
  }
}

TEST("at24 faults: a host that was away for longer than the write cycle still makes a late try") {
  const Nanoseconds away = 31 * kMillisecond;
  for (const bool write : {true, false}) {
    At24Bench bench;
    Eeprom& part = bench.world.add({});
    bench.open();
    const auto provider = bench.provider(part);
    CHECK_EQ(bench.run(*provider, bench.probe()).outcome.status, 0);
    bool slept = false;
    bench.world.before = [&](std::size_t, const Op& op) {
      if (slept || (write && op.length > 0)) return Fault{};
      slept = true;
      bench.world.clock.advance(away);
      part.busy_until = bench.world.clock.now() + kMillisecond;
      return Fault{};
    };
    CHECK_EQ(bench.run(*provider, write ? bench.write(0, {1}) : bench.read(0, 1)).outcome.status, 0);
    CHECK(slept);
  }
}

TEST("at24 faults: a write-protect line that could not be raised is raised while nobody asks for anything") {
  Trial trial;
  std::mutex mutex;
  std::condition_variable changed;
  int raises = 0;
  trial.bench.world.before = [&](std::size_t, const Op& op) {
    if (op.kind != Kind::kSet || op.bytes[0] != 1) return Fault{};
    const std::lock_guard lock(mutex);
    changed.notify_all();
    return ++raises <= 4 ? Fault{.status = -EIO} : Fault{};
  };
  trial.run();
  CHECK_EQ(trial.outcome.status, 0);
  CHECK_EQ(trial.outcome.protect_status, -EIO);
  std::unique_lock lock(mutex);
  CHECK(changed.wait_for(lock, std::chrono::seconds(60), [&] { return raises > 4; }));
  lock.unlock();
  trial.bench.close();
  CHECK_EQ(raises, 5);
  CHECK(trial.bench.world.levels[2]);
}

}  // namespace at24_faults_test
