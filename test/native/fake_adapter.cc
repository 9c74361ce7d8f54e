#include "test/native/fake_adapter.h"

#include <stdlib.h>
#include <sys/sysmacros.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "test/native/check.h"

namespace fake {
namespace {

constexpr int kDescriptor = 1000;

std::string hex(std::uint8_t byte) {
  char text[4];
  std::snprintf(text, sizeof text, "%02x", byte);
  return text;
}

}  // namespace

Adapter::Adapter(std::string name, unsigned long functions)
    : device(static_cast<std::int64_t>(makedev(89, 7))), name_(std::move(name)), functions_(functions) {
  char folder[] = "/tmp/nvmem-i2c-XXXXXX";
  root_ = ::mkdtemp(folder);
  std::filesystem::create_directories(root_ + "/dev");
  std::filesystem::create_directories(root_ + "/sys/bus/i2c/devices");
  plug();
}

Adapter::~Adapter() {
  CHECK_EQ(open_now, 0);
  std::filesystem::remove_all(root_);
}

void Adapter::unplug() {
  std::filesystem::remove(path());
  // Kept aside, so that its inode number is not used again: sysfs never does.
  std::filesystem::rename(root_ + "/sys/bus/i2c/devices/i2c-7",
                          root_ + "/gone-" + std::to_string(++generation_));
}

void Adapter::plug() {
  const std::string folder = root_ + "/sys/bus/i2c/devices/i2c-7";
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/name") << name_ << "\n";
  std::ofstream(path()).flush();
}

nvmem::i2c::Options Adapter::options() const { return {.path = path(), .sysfs = root_ + "/sys"}; }

std::unique_ptr<nvmem::i2c::LinuxI2c> Adapter::master(const nvmem::Clock& clock) {
  return std::make_unique<nvmem::i2c::LinuxI2c>(options(), waker, clock, calls());
}

nvmem::i2c::Calls Adapter::calls() {
  nvmem::i2c::Calls calls;
  calls.open = [this](const char* given) {
    ++opens;
    if (open_error != 0) return open_error;
    if (!std::filesystem::exists(given)) return -ENOENT;
    most_open = std::max(most_open, ++open_now);
    return kDescriptor;
  };
  calls.device = [this](int) { return device; };
  calls.control = [this](int, unsigned long request, void* argument) { return control(request, argument); };
  calls.close = [this](int) { --open_now; };
  return calls;
}

int Adapter::control(unsigned long request, void* argument) {
  CHECK_EQ(open_now, 1);
  switch (request) {
    case I2C_FUNCS:
      *static_cast<unsigned long*>(argument) = functions_;
      return 0;
    case I2C_SLAVE:
    case I2C_SLAVE_FORCE:
      selected_ = static_cast<std::uint8_t>(reinterpret_cast<std::uintptr_t>(argument));
      return request == I2C_SLAVE && taken.contains(selected_) ? -EBUSY : 0;
    case I2C_RDWR:
    case I2C_SMBUS: {
      const int error = before ? before() : 0;
      if (error != 0) return error;
      return request == I2C_RDWR ? messages(*static_cast<i2c_rdwr_ioctl_data*>(argument))
                                 : smbus(*static_cast<i2c_smbus_ioctl_data*>(argument));
    }
    default:
      return -ENOTTY;
  }
}

int Adapter::refuse() {
  ++refusals;
  return too_long;
}

Part* Adapter::answering(std::uint8_t address) {
  const auto found = parts.find(address);
  if (found == parts.end()) return nullptr;
  if (found->second.busy == 0) return &found->second;
  --found->second.busy;
  return nullptr;
}

int Adapter::messages(const i2c_rdwr_ioctl_data& argument) {
  if ((functions_ & I2C_FUNC_I2C) == 0) return -EOPNOTSUPP;
  if (argument.nmsgs > (combines ? 2U : 1U)) return refuse();
  for (unsigned i = 0; i < argument.nmsgs; ++i) {
    const i2c_msg& one = argument.msgs[i];
    CHECK_EQ(unsigned{one.addr}, unsigned{selected_});
    if (one.len > ((one.flags & I2C_M_RD) != 0 ? max_read : max_write)) return refuse();
  }
  std::string line;
  log.emplace_back();
  for (unsigned i = 0; i < argument.nmsgs; ++i) {
    const i2c_msg& one = argument.msgs[i];
    const auto address = static_cast<std::uint8_t>(one.addr);
    const bool reads = (one.flags & I2C_M_RD) != 0;
    if (i > 0) line += " S ";
    line += (reads ? "R" : "W") + hex(address);
    if (reads) line += " " + std::to_string(one.len);
    for (unsigned b = 0; !reads && b < one.len; ++b) line += " " + hex(one.buf[b]);
    log.back() = line;
    if (reads && one.len > slow_read) return -ETIMEDOUT;
    const bool stop = i + 1 == argument.nmsgs;
    const int error = reads ? read(address, one.buf, one.len) : write(address, one.buf, one.len, stop);
    if (error != 0) return error;
  }
  return static_cast<int>(argument.nmsgs);
}

int Adapter::write(std::uint8_t address, const std::uint8_t* data, std::size_t length, bool stop) {
  Part* const part = answering(address);
  if (part == nullptr) return no_answer;
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < std::min<std::size_t>(length, part->address_bytes); ++i)
    word = word << 8 | data[i];
  part->latch = word;
  if (length <= part->address_bytes) return 0;
  if (part->refuses) return data_refused;
  for (std::size_t i = part->address_bytes; i < length; ++i) {
    part->memory[(part->latch++) % part->memory.size()] = data[i];
  }
  part->busy = stop ? 2 : 0;
  return 0;
}

int Adapter::read(std::uint8_t address, std::uint8_t* data, std::size_t length) {
  Part* const part = answering(address);
  if (part == nullptr) return no_answer;
  for (std::size_t i = 0; i < length; ++i) data[i] = part->memory[(part->latch++) % part->memory.size()];
  return 0;
}

int Adapter::smbus(const i2c_smbus_ioctl_data& argument) {
  log.push_back((argument.read_write == I2C_SMBUS_READ ? "read " : "write ") + std::to_string(argument.size) +
                " at " + hex(argument.command));
  const std::uint8_t command = argument.command;
  const bool reads = argument.read_write == I2C_SMBUS_READ;
  switch (argument.size) {
    case I2C_SMBUS_BYTE:
      return reads ? read(selected_, &argument.data->byte, 1) : write(selected_, &command, 1, true);
    case I2C_SMBUS_BYTE_DATA: {
      if (!reads) {
        const std::uint8_t bytes[] = {command, argument.data->byte};
        return write(selected_, bytes, 2, true);
      }
      const int error = write(selected_, &command, 1, false);
      return error != 0 ? error : read(selected_, &argument.data->byte, 1);
    }
    case I2C_SMBUS_I2C_BLOCK_DATA: {
      if (((functions_ & (reads ? I2C_FUNC_SMBUS_READ_I2C_BLOCK : I2C_FUNC_SMBUS_WRITE_I2C_BLOCK))) == 0) {
        return -EOPNOTSUPP;
      }
      const std::size_t length = argument.data->block[0];
      if (length == 0 || length > I2C_SMBUS_BLOCK_MAX) return -EINVAL;
      if (!reads) {
        std::vector<std::uint8_t> bytes{command};
        bytes.insert(bytes.end(), argument.data->block + 1, argument.data->block + 1 + length);
        return write(selected_, bytes.data(), bytes.size(), true);
      }
      const int error = write(selected_, &command, 1, false);
      return error != 0 ? error : read(selected_, argument.data->block + 1, length);
    }
    default:
      return -EOPNOTSUPP;
  }
}

}  // namespace fake
