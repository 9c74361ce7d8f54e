#include "native/usb/node.h"

#include <fcntl.h>
#include <linux/usbdevice_fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <optional>

namespace nvmem::usb {
namespace {

constexpr std::size_t kDeviceDescriptorSize = 18;
constexpr std::size_t kMaxDescriptors = 8192;

UniqueFd open_file(const std::string& path, int flags) {
  for (;;) {
    UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC));
    if (fd || errno != EINTR) return fd;
  }
}

/// One attribute without its line end; nothing where the file isn't there.
std::optional<std::string> attribute(const std::string& folder, const char* name) {
  const UniqueFd fd = open_file(folder + "/" + name, O_RDONLY);
  if (!fd) return std::nullopt;
  std::array<char, 1024> buffer{};
  const ssize_t count = ::read(fd.get(), buffer.data(), buffer.size());
  if (count < 0) return std::nullopt;
  std::string text(buffer.data(), static_cast<std::size_t>(count));
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

template <class Number>
bool number(const std::string& folder, const char* name, int base, Number& value) {
  const auto text = attribute(folder, name);
  if (!text) return false;
  const char* const end = text->data() + text->size();
  const auto [rest, error] = std::from_chars(text->data(), end, value, base);
  return error == std::errc() && rest == end;
}

/// Digits, a hyphen, and digits with dots between them. Nothing else may become part of a file name.
bool is_path(const std::string& path) {
  const std::size_t hyphen = path.find('-');
  if (hyphen == std::string::npos || path.size() > 64) return false;
  bool digit = false;
  for (std::size_t at = 0; at < path.size(); ++at) {
    const bool separator = at == hyphen || (at > hyphen && path[at] == '.');
    if (separator != (path[at] < '0' || path[at] > '9') || (separator && !digit)) return false;
    digit = !separator;
  }
  return digit;
}

}  // namespace

Result<Facts> find_device(const std::string& path, const Roots& roots) {
  if (!is_path(path)) return Status(-EINVAL);
  const std::string folder = roots.sysfs + "/" + path;
  if (::access(folder.c_str(), F_OK) != 0) return Status(-ENOENT);
  Facts facts;
  const bool complete =
      number(folder, "busnum", 10, facts.busnum) && number(folder, "devnum", 10, facts.devnum) &&
      number(folder, "idVendor", 16, facts.vid) && number(folder, "idProduct", 16, facts.pid) &&
      number(folder, "bcdDevice", 16, facts.release);
  // It may have been pulled out between two attributes.
  if (!complete) return Status(::access(folder.c_str(), F_OK) != 0 ? -ENOENT : -EIO);
  facts.product = attribute(folder, "product").value_or("");
  facts.serial = attribute(folder, "serial").value_or("");
  return facts;
}

std::string node_path(const Facts& facts, const Roots& roots) {
  std::array<char, 32> name{};
  (void)std::snprintf(name.data(), name.size(), "/%03u/%03u", facts.busnum, facts.devnum);
  return roots.nodes + name.data();
}

Result<UniqueFd> open_node(const std::string& node) {
  UniqueFd fd = open_file(node, O_RDWR);
  if (!fd) return Status(-errno);
  return fd;
}

std::vector<std::uint8_t> configurations(const UniqueFd& node, const Facts& facts) {
  std::vector<std::uint8_t> bytes(kMaxDescriptors);
  const ssize_t count = ::pread(node.get(), bytes.data(), bytes.size(), 0);
  if (count < static_cast<ssize_t>(kDeviceDescriptorSize)) return {};
  // usbfs gives the numbers of the device descriptor, and of no other, in the machine's own byte order.
  std::uint16_t vid = 0;
  std::uint16_t pid = 0;
  std::memcpy(&vid, bytes.data() + 8, sizeof vid);
  std::memcpy(&pid, bytes.data() + 10, sizeof pid);
  if (vid != facts.vid || pid != facts.pid) return {};
  return {bytes.begin() + kDeviceDescriptorSize, bytes.begin() + count};
}

bool is_claimed(int node, std::uint8_t interface) {
  usbdevfs_getdriver driver{};
  driver.interface = interface;
  return ::ioctl(node, USBDEVFS_GETDRIVER, &driver) == 0 && std::strcmp(driver.driver, "usbfs") == 0;
}

}  // namespace nvmem::usb
