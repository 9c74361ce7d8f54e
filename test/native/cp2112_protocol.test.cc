#include <algorithm>
#include <numeric>
#include <random>
#include <set>
#include <vector>

#include "native/cp2112/asks.h"
#include "native/util/pairs.h"
#include "native/cp2112/pace.h"
#include "native/cp2112/protocol.h"
#include "native/cp2112/transport/usb_descriptors.h"
#include "test/native/check.h"

namespace cp2112_protocol_test {
using namespace nvmem;
using namespace nvmem::cp2112;

namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes bytes_of(const Report& report) { return {report.span().begin(), report.span().end()}; }

/// The configuration of a real CP2112: interface, HID, 0x81 IN, 0x01 OUT.
const Bytes kConfiguration{9, 2, 41, 0,    1, 1, 0, 0x80, 0x32, 9, 4,  0, 0, 2, 3, 0,    0, 0,  9, 0x21, 1,
                           1, 0, 1,  0x22, 2, 1, 7, 5,    0x81, 3, 64, 0, 1, 7, 5, 0x01, 3, 64, 0, 1};

}  // namespace

TEST("cp2112 protocol: reports are encoded as in AN495") {
  const Bytes prefix{0x12, 0x34};
  const Bytes data{7, 8, 9};
  CHECK(bytes_of(encode_read(0x50, 512)) == (Bytes{0x10, 0xa0, 0x02, 0x00}));
  CHECK(bytes_of(encode_addressed_read(0x50, prefix, 300)) == (Bytes{0x11, 0xa0, 0x01, 0x2c, 2, 0x12, 0x34}));
  CHECK(bytes_of(encode_force_send(61)) == (Bytes{0x12, 0, 61}));
  CHECK(bytes_of(encode_write(0x7b, data)) == (Bytes{0x14, 0xf6, 3, 7, 8, 9}));
  CHECK(bytes_of(encode_status_request()) == (Bytes{0x15, 1}));
  CHECK(bytes_of(encode_cancel()) == (Bytes{0x17, 1}));
  CHECK(bytes_of(encode_set_gpio(0x81, 0x83)) == (Bytes{0x04, 0x81, 0x83}));
  SmbusConfig config{400'000, 0x02, false, 120, 1000, true, 1};
  CHECK(bytes_of(encode(config)) == (Bytes{0x06, 0, 6, 0x1a, 0x80, 2, 0, 0, 120, 3, 0xe8, 1, 0, 1}));
  CHECK(bytes_of(encode(GpioConfig{1, 2, 4, 8})) == (Bytes{0x02, 1, 2, 4, 8}));
}

TEST("cp2112 protocol: configurations survive a round trip") {
  std::mt19937 random(2112);
  for (int i = 0; i < 200; ++i) {
    const auto r = [&] { return static_cast<std::uint32_t>(random()); };
    const SmbusConfig config{r(),
                             static_cast<std::uint8_t>(r()),
                             (r() & 1U) != 0,
                             static_cast<std::uint16_t>(r()),
                             static_cast<std::uint16_t>(r()),
                             (r() & 1U) != 0,
                             static_cast<std::uint16_t>(r())};
    const auto decoded = decode_smbus_config(encode(config).span());
    CHECK(decoded && *decoded == config);
    const GpioConfig gpio{static_cast<std::uint8_t>(r()), static_cast<std::uint8_t>(r()),
                          static_cast<std::uint8_t>(r()), static_cast<std::uint8_t>(r())};
    const auto back = decode_gpio_config(encode(gpio).span());
    CHECK(back && *back == gpio);
  }
}

TEST("cp2112 protocol: decoding is strict about ID and length, and blind to what follows") {
  Bytes status{0x16, 1, 2, 0, 3, 0x01, 0x2c};
  const auto decoded = decode_status_response(status);
  CHECK(decoded.has_value());
  CHECK_EQ(decoded->received, 300U);
  CHECK_EQ(decoded->retries, 3U);
  status.resize(64, 0xff);
  CHECK(decode_status_response(status).has_value());
  for (std::size_t size = 0; size < 7; ++size) {
    CHECK(!decode_status_response(std::span(status).first(size)).has_value());
  }
  status[1] = 4;
  CHECK(!decode_status_response(status).has_value());
  status[0] = 0x13;
  CHECK(!decode_status_response(status).has_value());

  Bytes data{0x13, 2, 3, 10, 11, 12};
  auto response = decode_read_response(data);
  CHECK(response && response->size == 3 && response->bytes[2] == 12);
  data[2] = 4;
  CHECK(!decode_read_response(data).has_value());
  data.resize(64);
  CHECK(decode_read_response(data).has_value());
  data[2] = 62;
  CHECK(!decode_read_response(data).has_value());
  CHECK(!decode_version(Bytes{5, 12}).has_value());
  CHECK(!decode_gpio_levels(Bytes{4, 1}).has_value());
  CHECK_EQ(int{*decode_gpio_levels(Bytes{3, 0xa5})}, 0xa5);
}

TEST("cp2112 protocol: terminal statuses become errnos") {
  const auto result = [](TransferState state, std::uint8_t detail) {
    return TransferStatus{state, detail, 0, 0}.result().error();
  };
  const int failed[] = {-ENXIO, -EBUSY, -EAGAIN, -EIO, -EREMOTEIO, 0, -EIO};
  for (std::uint8_t detail = 0; detail < 7; ++detail) {
    CHECK_EQ(result(TransferState::kFailed, detail), failed[detail]);
    CHECK_EQ(result(TransferState::kComplete, detail), 0);
    CHECK_EQ(result(TransferState::kIdle, detail), -EIO);
  }
}

TEST("cp2112 protocol: the special function bits name other pins") {
  CHECK_EQ((int{GpioConfig{0, 0, 1, 0}.special_pins()}), 0x80);
  CHECK_EQ((int{GpioConfig{0, 0, 2, 0}.special_pins()}), 0x01);
  CHECK_EQ((int{GpioConfig{0, 0, 4, 0}.special_pins()}), 0x02);
}

TEST("cp2112 asks: distinct lengths, one report each, adding up") {
  for (std::size_t bytes = 1; bytes <= 512; ++bytes) {
    for (unsigned salt = 0; salt < 4; ++salt) {
      Asks asks;
      asks.plan(0, bytes, salt);
      std::set<std::size_t> lengths;
      std::size_t sum = 0;
      while (asks.next() != 0) {
        CHECK(asks.next() <= kMaxData);
        lengths.insert(asks.next());
        sum += asks.next();
        asks.sent();
        CHECK_EQ(asks.asked(), sum);
      }
      CHECK_EQ(sum, bytes);
      CHECK_EQ(lengths.size(), asks.outstanding());
      if (bytes == 512) CHECK_EQ(asks.outstanding(), std::size_t{9});
    }
  }
}

TEST("cp2112 asks: a lost, doubled, swapped or foreign answer does not fit") {
  // Each fault at each place of a whole read; the last place cannot be told (asks.h).
  const auto answers = [](unsigned salt) {
    Asks asks;
    asks.plan(0, 512, salt);
    std::vector<std::size_t> lengths;
    for (; asks.next() != 0; asks.sent()) lengths.push_back(asks.next());
    return lengths;
  };
  const auto fits = [](unsigned salt, const std::vector<std::size_t>& got) {
    Asks asks;
    asks.plan(0, 512, salt);
    while (asks.next() != 0) asks.sent();
    for (const std::size_t bytes : got) {
      if (!asks.take(bytes)) return false;
    }
    return asks.missing() == 0;
  };
  for (unsigned salt = 0; salt < 9; ++salt) {
    const auto right = answers(salt);
    CHECK(fits(salt, right));
    for (std::size_t at = 0; at + 1 < right.size(); ++at) {
      auto lost = right;
      lost.erase(lost.begin() + static_cast<std::ptrdiff_t>(at));
      CHECK(!fits(salt, lost));
      auto swapped = right;
      std::swap(swapped[at], swapped[at + 1]);
      CHECK(!fits(salt, swapped));
      for (std::size_t stray = 1; stray <= kMaxData; ++stray) {
        auto more = right;
        more.insert(more.begin() + static_cast<std::ptrdiff_t>(at), stray);
        CHECK(!fits(salt, more));
      }
    }
  }
}

TEST("cp2112 pace: predicts the wire and learns from being wrong") {
  Pace pace(100'000);
  pace.begin(4);
  const Nanoseconds plain = pace.when(512);
  CHECK(plain > wire_time(516, 100'000) && plain < wire_time(516, 100'000) + kMillisecond);
  // A wire that is a fifth slower, seen twice in each of a few reads.
  for (int i = 0; i < 12; ++i) {
    pace.begin(4);
    for (const std::size_t bytes : {std::size_t{50}, std::size_t{300}}) {
      pace.observe(wire_time(bytes + 4, 100'000) * 6 / 5, bytes);
    }
  }
  pace.begin(4);
  CHECK(pace.when(512) > wire_time(516, 100'000) * 115 / 100);
  CHECK(pace.when(512) < wire_time(516, 100'000) * 130 / 100);
  const Nanoseconds before = pace.when(512);
  pace.came_early(10);
  CHECK(pace.when(512) > before + wire_time(10, 100'000));
}

TEST("cp2112 descriptors: the HID interface and its endpoints are found") {
  const auto found = find_hid_interface(kConfiguration);
  CHECK(found.has_value());
  CHECK_EQ(int{found->configuration}, 1);
  CHECK_EQ(int{found->in.address}, 0x81);
  CHECK_EQ(int{found->out.address}, 0x01);
  CHECK_EQ(int{found->in.packet}, 64);
  for (std::size_t size = 0; size < kConfiguration.size(); ++size) {
    CHECK(!find_hid_interface(std::span(kConfiguration).first(size)).has_value());
  }
  // Another interface before it, other endpoint numbers.
  Bytes composite{9, 2, 0, 0, 2, 5, 0, 0x80, 50, 9, 4, 0, 0, 1, 2, 0, 0, 0, 7, 5, 0x83, 3, 8, 0, 10};
  composite.insert(composite.end(), kConfiguration.begin() + 9, kConfiguration.end());
  composite[2] = static_cast<std::uint8_t>(composite.size());
  composite[27] = 4;
  const auto second = find_hid_interface(composite);
  CHECK(second && second->number == 4 && second->configuration == 5 && second->in.address == 0x81);
  Bytes zero = kConfiguration;
  zero[9] = 0;
  CHECK(!find_hid_interface(zero).has_value());
}

TEST("cp2112 descriptors: strings and identity pairs") {
  CHECK_EQ(string_descriptor(Bytes{6, 3, 'A', 0, 0xe9, 0}), std::string("A\xc3\xa9"));
  CHECK_EQ(string_descriptor(Bytes{6, 3, 0x3d, 0xd8, 0x00, 0xde}), std::string("\xf0\x9f\x98\x80"));
  CHECK_EQ(string_descriptor(Bytes{8, 3, 'A', 0}), std::string());
  CHECK_EQ(string_descriptor(Bytes{}), std::string());
  std::string line;
  add_pair(line, "serial", "00 4%");
  add_pair(line, "busid", "1-1.2");
  CHECK_EQ(line, std::string("serial=00%204%25 busid=1-1.2"));
}

}  // namespace cp2112_protocol_test
