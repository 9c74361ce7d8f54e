// Finding a device in sysfs, on a folder that looks like it.
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "check.h"
#include "native/usb/node.h"

namespace usb_node_test {
namespace {

namespace fs = std::filesystem;

class Tree {
 public:
  Tree() {
    std::string name = (fs::temp_directory_path() / "nvmem-usb-XXXXXX").string();
    root_ = ::mkdtemp(name.data());
    roots_ = {root_ / "devices", root_ / "nodes"};
  }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;
  ~Tree() { fs::remove_all(root_); }

  void put(const std::string& file, const std::string& text) {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  void bridge(const std::string& path) {
    const std::string folder = "devices/" + path + "/";
    put(folder + "busnum", "3\n");
    put(folder + "devnum", "17\n");
    put(folder + "idVendor", "10c4\n");
    put(folder + "idProduct", "ea90\n");
    put(folder + "bcdDevice", "0100\n");
  }
  [[nodiscard]] const nvmem::usb::Roots& roots() const { return roots_; }
  [[nodiscard]] fs::path operator/(const std::string& name) const { return root_ / name; }

 private:
  fs::path root_;
  nvmem::usb::Roots roots_;
};

TEST("usb node: a device is found by its place, with or without strings") {
  Tree tree;
  tree.bridge("3-1.4.2");
  auto found = nvmem::usb::find_device("3-1.4.2", tree.roots());
  CHECK(found.ok());
  CHECK_EQ(found.value().busnum, 3U);
  CHECK_EQ(found.value().devnum, 17U);
  CHECK_EQ(found.value().vid, 0x10c4);
  CHECK_EQ(found.value().pid, 0xea90);
  CHECK_EQ(found.value().release, 0x0100);
  CHECK_EQ(found.value().serial, "");
  CHECK_EQ(nvmem::usb::node_path(found.value()), "/dev/bus/usb/003/017");
  tree.put("devices/3-1.4.2/serial", "00417D26\n");
  tree.put("devices/3-1.4.2/product", "CP2112 HID USB-to-SMBus Bridge\n");
  found = nvmem::usb::find_device("3-1.4.2", tree.roots());
  CHECK(found.ok());
  CHECK_EQ(found.value().serial, "00417D26");
  CHECK_EQ(found.value().product, "CP2112 HID USB-to-SMBus Bridge");
}

TEST("usb node: what is no place never becomes part of a file name") {
  Tree tree;
  tree.bridge("1-1");
  for (const char* path : {"", "1", "1-", "-1", "1-1.", "1-.1", "1-1..2", "1-1:1.0", "../1-1", "1-1/", "usb1",
                           "1-a", "1.1-1", "1-1-1", " 1-1"}) {
    CHECK_EQ(nvmem::usb::find_device(path, tree.roots()).error(), -EINVAL);
  }
  CHECK_EQ(nvmem::usb::find_device("1-" + std::string(80, '1'), tree.roots()).error(), -EINVAL);
}

TEST("usb node: an empty place is ENOENT, half a device EIO") {
  Tree tree;
  tree.bridge("1-1");
  CHECK_EQ(nvmem::usb::find_device("1-2", tree.roots()).error(), -ENOENT);
  fs::remove(tree / "devices/1-1/devnum");
  CHECK_EQ(nvmem::usb::find_device("1-1", tree.roots()).error(), -EIO);
  tree.put("devices/1-1/devnum", "17x\n");
  CHECK_EQ(nvmem::usb::find_device("1-1", tree.roots()).error(), -EIO);
}

TEST("usb node: the node's own errno, and descriptors only from the device that was looked up") {
  Tree tree;
  tree.bridge("1-1");
  const auto facts = nvmem::usb::find_device("1-1", tree.roots());
  CHECK(facts.ok());
  const std::string node = nvmem::usb::node_path(facts.value(), tree.roots());
  CHECK_EQ(nvmem::usb::open_node(node).error(), -ENOENT);
  std::string bytes(18, '\0');
  const std::array<std::uint16_t, 2> ids{0x10c4, 0xea90};
  bytes.replace(8, 4, reinterpret_cast<const char*>(ids.data()), 4);
  tree.put("nodes/003/017", bytes + "configuration");
  auto opened = nvmem::usb::open_node(node);
  CHECK(opened.ok());
  const auto read = nvmem::usb::configurations(opened.value(), facts.value());
  CHECK_EQ(std::string(read.begin(), read.end()), "configuration");
  auto other = facts.value();
  other.pid = 0x1234;
  CHECK(nvmem::usb::configurations(opened.value(), other).empty());
  tree.put("nodes/003/017", "short");
  CHECK(nvmem::usb::configurations(opened.value(), facts.value()).empty());
  CHECK_EQ(nvmem::usb::open_node((tree / "nodes").string()).error(), -EISDIR);
}

}  // namespace

}  // namespace usb_node_test
