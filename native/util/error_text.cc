#include "native/util/error_text.h"

#include <array>
#include <cstring>

namespace nvmem {

std::string error_text(int error) {
  std::array<char, 128> buffer{};
  return ::strerror_r(error, buffer.data(), buffer.size());
}

}  // namespace nvmem
