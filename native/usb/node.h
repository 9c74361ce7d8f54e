// Finds a USB device in sysfs, and its node.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "native/util/status.h"
#include "native/util/unique_fd.h"

namespace nvmem::usb {

/// What the kernel knows of a device; nothing of it takes the device's time.
struct Facts {
  unsigned busnum = 0;
  unsigned devnum = 0;
  std::uint16_t vid = 0;
  std::uint16_t pid = 0;
  std::uint16_t release = 0;  ///< bcdDevice
  std::string product;        ///< empty where the device has none; so is the serial number
  std::string serial;
};

struct Roots {
  std::string sysfs = "/sys/bus/usb/devices";
  std::string nodes = "/dev/bus/usb";
};

/// The device at `path` ("1-1.4": bus and ports). -EINVAL: that is no path; -ENOENT: nothing is plugged in
/// there; -EIO: sysfs makes no sense.
[[nodiscard]] Result<Facts> find_device(const std::string& path, const Roots& roots = {});

[[nodiscard]] std::string node_path(const Facts& facts, const Roots& roots = {});

/// Opens the node to read and write. The open's own errno: -EACCES, -ENOENT, -ENODEV …
[[nodiscard]] Result<UniqueFd> open_node(const std::string& node);

/// The configuration descriptors that the kernel has read, from an open node. Empty where they can't be had,
/// or where the node turns out to be another device's: numbers are given again after an unplug.
[[nodiscard]] std::vector<std::uint8_t> configurations(const UniqueFd& node, const Facts& facts);

/// Whether usbfs has the interface: that of a program, which is us where we have claimed it and nobody has taken it away.
bool is_claimed(int node, std::uint8_t interface);

}  // namespace nvmem::usb
