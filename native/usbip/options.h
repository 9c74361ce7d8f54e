#pragma once

#include <cstdint>
#include <string>

namespace nvmem::usbip {

/// Which exported device to import, and what it has to be.
struct Options {
  std::string host;            ///< numeric address or name
  std::uint16_t port = 3240;   ///< TCP; 3240 is the port registered for USB/IP
  std::string busid;           ///< as `usbip list` prints it ("1-1"); at most 31 bytes
  std::uint16_t vid = 0x10c4;  ///< Silicon Laboratories
  std::uint16_t pid = 0xea90;  ///< CP2112 as it leaves the factory; can be changed once (AN495, report 0x21)
};

}  // namespace nvmem::usbip
