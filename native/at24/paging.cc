#include "native/at24/paging.h"

#include <array>
#include <cstdio>

namespace nvmem::at24 {
namespace {

/// DDR4 SPD, 2 pages of 256 bytes (JEDEC EE1004-v; AT34C04; Linux drivers/misc/eeprom/ee1004.c). A write to
/// device address 0x36 selects page 0 in every such part of the bus, one to 0x37 page 1.
class Ee1004 final : public Paging {
 public:
  [[nodiscard]] std::uint64_t page_size() const override { return 256; }

  Status identify(BusPort& port, std::uint8_t device, const Wait& wait) override {
    reason_.clear();
    // Absent, or busy: then a page select that nobody acknowledges says nothing yet.
    const std::uint8_t word = 0;
    std::uint8_t byte = 0;
    const Status present =
        port.wire().write_read(device, std::span(&word, 1), std::span(&byte, 1), wait).status;
    if (!present.ok()) return present;
    const Status selected = select(port, device, 0, wait);
    if (selected.error() != -ENXIO) return selected;
    reason_ = "nobody acknowledges the page select at 0x36: the part is no EE1004";
    return Status(-EMEDIUMTYPE);
  }

  Status select(BusPort& port, std::uint8_t, unsigned page, const Wait& wait) override {
    constexpr std::uint8_t kPage0 = 0x36;
    const std::uint8_t dummy = 0;
    const Status status =
        port.wire().write(static_cast<std::uint8_t>(kPage0 + page), std::span(&dummy, 1), wait);
    // The data byte means nothing, and the part may refuse it.
    return status.error() == -EREMOTEIO ? Status() : status;
  }
};

/// DDR5 SPD hub, 8 pages of 128 bytes at registers 0x80 to 0xff (JEDEC JESD300-5; Linux
/// drivers/hwmon/spd5118.c). MR11 selects the page in bits 2..0; bit 3 would switch to two address bytes.
class Spd5118 final : public Paging {
 public:
  [[nodiscard]] std::uint64_t page_size() const override { return 128; }
  [[nodiscard]] std::uint8_t first_word() const override { return 0x80; }

  Status identify(BusPort& port, std::uint8_t device, const Wait& wait) override {
    reason_.clear();
    // MR11 must not be written to anything that has not said what it is: to a 24C02 that would be a data
    // byte.
    const std::uint8_t type_register = 0x00;  // MR0, MR1
    std::array<std::uint8_t, 2> type{};
    const Transferred read = port.wire().write_read(device, std::span(&type_register, 1), type, wait);
    if (!read.status.ok()) return read.status;
    if (read.good < type.size()) return Status(-EIO);
    if (type[0] == 0x51 && type[1] == 0x18) return {};
    char text[160];
    std::snprintf(text, sizeof text,
                  "its registers MR0 and MR1 say 0x%02x 0x%02x and those of an SPD5118 0x51 0x18%s", type[0],
                  type[1],
                  type[0] == 0 && type[1] == 0 ? "; or somebody has left another page than 0 selected" : "");
    reason_ = text;
    return Status(-EMEDIUMTYPE);
  }

  Status select(BusPort& port, std::uint8_t device, unsigned page, const Wait& wait) override {
    const std::array<std::uint8_t, 2> frame{0x0b, static_cast<std::uint8_t>(page)};  // MR11
    return port.wire().write(device, frame, wait);
  }
};

}  // namespace

std::unique_ptr<Paging> Paging::make(Paged kind) {
  switch (kind) {
    case Paged::kEe1004:
      return std::make_unique<Ee1004>();
    case Paged::kSpd5118:
      return std::make_unique<Spd5118>();
    case Paged::kNone:
      break;
  }
  return nullptr;
}

}  // namespace nvmem::at24
