// The slots that threads of this process share, by token. Internal to native/slot.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "native/slot/slot.h"

namespace nvmem::shares {

/// 128 random bits in hexadecimal. Negative errno of getrandom(2).
Result<std::string> new_token();

/// Refers to the slot weakly: a token keeps nothing alive.
void publish(const std::string& token, const std::shared_ptr<Slot>& slot, std::string facts);
void forget(const std::string& token) noexcept;
std::optional<Slot::Shared> find(const std::string& token);
std::size_t count() noexcept;

}  // namespace nvmem::shares
