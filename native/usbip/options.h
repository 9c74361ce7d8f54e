#pragma once

#include <cstdint>
#include <string>

namespace nvmem::usbip {

/// Which exported device to import, and what it has to be.
struct Options {
  std::string host;            ///< numeric address or name
  std::uint16_t port = 3240;   ///< TCP; 3240 is the port registered for USB/IP
  std::string busid;           ///< as `usbip list` prints it ("1-1"); at most 31 bytes
};

}  // namespace nvmem::usbip
