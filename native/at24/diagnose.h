// Why a write reads back differently, from the bytes alone.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "native/at24/at24.h"
#include "native/slot/request.h"

namespace nvmem::at24 {

/// Bytes of a request.
struct Stretch {
  std::uint64_t begin;
  std::uint64_t end;
};

/// What a write that is over leaves to look at. Offsets in the spans are those of the request.
struct Evidence {
  const At24Config& config;
  std::uint64_t offset = 0;  ///< of the request in the device
  std::span<const std::uint8_t> wanted;
  std::span<const std::uint8_t> got;     ///< as long as `wanted`
  const std::vector<Stretch>& pages;     ///< one write transfer each, in their order
  std::uint64_t old_begin = 0;           ///< where `old` begins
  std::span<const std::uint8_t> old{};   ///< what was there before, as far as it is known
};

struct Diagnosis {
  Finding finding = Finding::kNone;
  std::uint64_t found = 0;
  std::string reason;
};

/// The most particular explanation that accounts for every byte: a smaller page, a smaller part, a protected
/// stretch, write protect; else somebody else's bytes.
Diagnosis diagnose(const Evidence& evidence);

}  // namespace nvmem::at24
