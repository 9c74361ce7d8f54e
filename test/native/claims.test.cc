// Who has which device addresses of which wires, and whose turn it is to write.
#include <string>
#include <vector>

#include "native/bus/claims.h"
#include "native/slot/slot.h"
#include "test/native/at24_bench.h"
#include "test/native/check.h"

namespace claims_test {
using namespace nvmem;

namespace {

using Claimed = std::variant<std::shared_ptr<Claim>, std::string>;

std::shared_ptr<Claim> taken(Claimed claimed) {
  auto* const claim = std::get_if<std::shared_ptr<Claim>>(&claimed);
  CHECK(claim != nullptr);
  return claim == nullptr ? nullptr : std::move(*claim);
}

std::string refused(const Claimed& claimed) {
  const auto* const holder = std::get_if<std::string>(&claimed);
  return holder == nullptr ? "nobody" : *holder;
}

PartUse use(std::vector<PartUse::Address> addresses, std::string holder, std::string wire = "wire") {
  return {std::move(wire), std::move(addresses), std::move(holder)};
}

}  // namespace

TEST("claims: another geometry at one of the addresses is refused by the holder's name") {
  fake::Bench bench;
  bench.open();
  const auto first = taken(claim_part(bench.bus, use({{0x50, "16"}, {0x51, "16"}, {0x52, "16"}}, "board")));
  CHECK_EQ(refused(claim_part(bench.bus, use({{0x52, "02"}}, "other"))), "board");
  name_claim(first->number(), "the device 1-1-00500");
  CHECK_EQ(refused(claim_part(bench.bus, use({{0x52, "02"}}, "other"))), "the device 1-1-00500");
  taken(claim_part(bench.bus, use({{0x53, "02"}}, "beside")));
  taken(claim_part(bench.bus, use({{0x52, "02"}}, "elsewhere", "another wire")));
  first->release();
  first->release();
  taken(claim_part(bench.bus, use({{0x52, "02"}}, "other")));
}

TEST("claims: the same part is shared by all that name it alike, whatever bus leads to it") {
  fake::Bench one;
  fake::Bench two;
  one.open();
  two.open();
  const auto first = taken(claim_part(one.bus, use({{0x50, "02"}}, "one")));
  const auto second = taken(claim_part(two.bus, use({{0x50, "02"}}, "two")));
  CHECK(first->turns() == second->turns());
  CHECK(first->number() != second->number());
  first->release();
  CHECK_EQ(refused(claim_part(one.bus, use({{0x50, "04"}}, "three"))), "two");
}

TEST("claims: what belongs to several parts is shared, and they do not take turns for it") {
  fake::Bench bench;
  bench.open();
  const auto first = taken(claim_part(bench.bus, use({{0x50, "a"}, {0x36, "*select"}}, "one")));
  const auto second = taken(claim_part(bench.bus, use({{0x51, "b"}, {0x36, "*select"}}, "two")));
  CHECK(first->turns() != second->turns());
  CHECK_EQ(refused(claim_part(bench.bus, use({{0x36, "02"}}, "three"))), "one");
}

TEST("claims: end with the last reference, and with the bus") {
  fake::Bench bench;
  bench.open();
  taken(claim_part(bench.bus, use({{0x50, "16"}}, "one"))).reset();
  const auto kept = taken(claim_part(bench.bus, use({{0x50, "02"}}, "two")));
  bench.wait_event("opened 0");
  bench.world.unplug();
  bench.wait_event("closed");
  fake::Bench again;
  again.open();
  taken(claim_part(again.bus, use({{0x50, "16"}}, "three")));
  CHECK(kept->number() != 0);
}

TEST("claims: an EEPROM lets go of its addresses when it is stopped") {
  fake::At24Bench bench;
  fake::Eeprom& part = bench.world.add(fake::model());
  bench.open();
  const auto claim = [&](std::string as) {
    return claim_part(bench.bus, use({{part.address, std::move(as)}}, "one"));
  };
  At24 provider(bench.bus, fake::At24Bench::config_of(part), taken(claim("a")));
  CHECK_EQ(refused(claim("b")), "one");
  provider.stop();
  CHECK_EQ(refused(claim("b")), "nobody");
}

TEST("claims: writers of two slots of one part take turns, and their jobs do not mix") {
  fake::At24Bench bench;
  fake::Eeprom& part = bench.world.add(fake::model());
  bench.open(true);
  const auto open = [&] {
    auto claim = taken(claim_part(bench.bus, use({{part.address, "a"}}, "one")));
    return std::make_unique<At24>(bench.bus, fake::At24Bench::config_of(part), std::move(claim));
  };
  const auto one = open();
  const auto two = open();
  CHECK(one->turns() == two->turns());
  CHECK(one->turns() != nullptr);
  const auto a = fake::pattern(200, 1);
  const auto b = fake::pattern(200, 2);
  const std::uint64_t first = fake::At24Bench::start(*one, bench.write(0, a));
  const std::uint64_t second = fake::At24Bench::start(*two, bench.write(0, b));
  const std::uint64_t look = fake::At24Bench::start(*two, bench.read(0, 200));
  bench.go();
  CHECK_EQ(bench.sink->wait(first).outcome.status, 0);
  CHECK_EQ(bench.sink->wait(second).outcome.status, 0);
  CHECK(bench.sink->wait(look).data == b);
  bench.close();
  // All of the first, then all of the second.
  std::string order;
  for (const fake::Op& op : bench.world.transfers()) {
    if (op.kind != fake::Kind::kWrite || op.length == 0) continue;
    const std::size_t at = (static_cast<std::size_t>(op.bytes[0]) << 8) | op.bytes[1];
    order += op.bytes[2] == a[at] ? 'a' : 'b';
  }
  CHECK_EQ(order, std::string(order.size() / 2, 'a') + std::string(order.size() / 2, 'b'));
  one->stop();
  two->stop();
}

TEST("claims: the turns of a slot are those of its part") {
  fake::At24Bench bench;
  fake::Eeprom& part = bench.world.add(fake::model());
  bench.open();
  const auto slot = [&] {
    auto claim = taken(claim_part(bench.bus, use({{part.address, "a"}}, "one")));
    return Slot::create(
        std::make_unique<At24>(bench.bus, fake::At24Bench::config_of(part), std::move(claim)));
  };
  const auto one = slot();
  const auto two = slot();
  int granted = 0;
  const Slot::Turn first = one->take_turn([] {});
  const Slot::Turn second = two->take_turn([&] { ++granted; });
  CHECK(first.now);
  CHECK(!second.now);
  one->give_turn(first.ticket);
  CHECK_EQ(granted, 1);
  two->give_turn(second.ticket);
}

}  // namespace claims_test
