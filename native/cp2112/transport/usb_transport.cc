#include "native/cp2112/transport/usb_transport.h"

#include <utility>
#include <vector>

#include "native/util/pairs.h"

namespace nvmem::cp2112 {

UsbTransport::UsbTransport(std::string path, std::shared_ptr<Waker> waker, const Clock& clock, Ids ids)
    : PipeTransport(clock), path_(std::move(path)), ids_(ids), client_(std::move(waker), clock) {}

UsbTransport::~UsbTransport() { close(); }

UsbCompletion UsbTransport::carry_control(const UsbSetup& setup, std::span<std::uint8_t> data,
                                          const Wait& wait) {
  return client_.control(setup, data, wait);
}

UsbCompletion UsbTransport::carry_out(std::span<const std::uint8_t> report, const Wait& wait) {
  return client_.interrupt_out(hid_.out.address, report, wait);
}

Status UsbTransport::clear_out(const Wait&) { return client_.clear_halt(hid_.out.address); }

UsbCompletion UsbTransport::carry_in(std::span<std::uint8_t> report, const Wait& wait) {
  return client_.receive(report, wait);
}

Status UsbTransport::mend_in(const Wait&) { return client_.mend_in(); }

Status UsbTransport::find(UniqueFd& node) {
  const auto found = usb::find_device(path_);
  if (!found.ok()) {
    if (found.error() == -ENOENT) reason_ = "nothing is plugged in at " + path_;
    return found.status();
  }
  facts_ = found.value();
  if (const Status status = require({facts_.vid, facts_.pid}, ids_); !status.ok()) return status;
  const std::string file = usb::node_path(facts_);
  auto opened = usb::open_node(file);
  if (!opened.ok()) {
    if (opened.error() == -ENOENT) reason_ = "it has no device node " + file;
    if (opened.error() == -EACCES) reason_ = "no permission for " + file;
    return opened.status();
  }
  node = std::move(opened).value();
  const std::vector<std::uint8_t> descriptors = usb::configurations(node, facts_);
  if (descriptors.empty()) return Status(-ENODEV);
  return choose_interface(descriptors);
}

Status UsbTransport::open(const Wait& wait) {
  if (const Status status = wait.check(clock_.now()); !status.ok()) return status;
  UniqueFd node;
  if (const Status status = find(node); !status.ok()) return status;
  if (const Status status = client_.open(std::move(node), hid_.number); !status.ok()) return status;
  const Status status = set_up(wait);
  if (!status.ok()) {
    if (client_.reason().empty() && status.error() == -ETIMEDOUT) reason_ = "the device does not answer";
    client_.close();
  }
  return status;
}

Status UsbTransport::set_up(const Wait& wait) {
  if (const Status status = set_idle(wait); !status.ok()) return status;
  return client_.start_in(hid_.in.address, in_bytes());
}

Status UsbTransport::idle(Nanoseconds deadline) { return client_.idle(deadline); }

void UsbTransport::close() noexcept { client_.close(); }

std::string UsbTransport::reason() const { return reason_.empty() ? client_.reason() : reason_; }

std::string UsbTransport::identity() const {
  std::string line;
  add_pair(line, "transport", "usb");
  add_pair(line, "path", path_);
  add_pair(line, "vid", hex4(facts_.vid));
  add_pair(line, "pid", hex4(facts_.pid));
  add_pair(line, "release", hex4(facts_.release));
  add_pair(line, "serial", facts_.serial);
  return line;
}

}  // namespace nvmem::cp2112
