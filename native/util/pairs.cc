#include "native/util/pairs.h"

#include <algorithm>

namespace nvmem {
namespace {

bool is_plain(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' ||
         c == '_' || c == '~' || c == ':';
}

}  // namespace

void add_pair(std::string& line, std::string_view key, std::string_view value) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  if (!line.empty()) line += ' ';
  line.append(key);
  line += '=';
  for (const char c : value) {
    if (is_plain(c)) {
      line += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      line += '%';
      line += kHex[byte >> 4U];
      line += kHex[byte & 0xfU];
    }
  }
}

}  // namespace nvmem
