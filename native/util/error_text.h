#pragma once

#include <string>

namespace nvmem {

/// What the C library calls `error`, a positive errno.
std::string error_text(int error);

}  // namespace nvmem
