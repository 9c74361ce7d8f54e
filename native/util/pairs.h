#pragma once

#include <string>
#include <string_view>

namespace nvmem {

/// Appends " key=value" to an identity line, the value percent-encoded (RFC 3986): what a device says about
/// itself may contain anything.
void add_pair(std::string& line, std::string_view key, std::string_view value);

}  // namespace nvmem
