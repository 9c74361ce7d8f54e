#include "native/i2c/transfer.h"

#include <linux/i2c-dev.h>
#include <linux/i2c.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace nvmem::i2c {
namespace {

i2c_msg message(std::uint8_t address, std::uint16_t flags, const std::uint8_t* data, std::size_t length) {
  // The kernel's structure serves both directions; a message without I2C_M_RD is only read.
  return {address, flags, static_cast<__u16>(length), const_cast<std::uint8_t*>(data)};
}

template <std::size_t count>
int transfer(const Adapter::Session& session, std::array<i2c_msg, count> messages) {
  i2c_rdwr_ioctl_data argument{messages.data(), count};
  const int done = session.control(I2C_RDWR, &argument);
  if (done < 0) return done;
  return done == static_cast<int>(count) ? 0 : -EIO;
}

}  // namespace

int Transfer::select(std::uint8_t address, bool force) const {
  // The address is the argument itself, not behind a pointer.
  auto* const argument = reinterpret_cast<void*>(static_cast<std::uintptr_t>(address));
  return session_.control(force ? I2C_SLAVE_FORCE : I2C_SLAVE, argument);
}

int Transfer::write(std::uint8_t address, std::span<const std::uint8_t> data) const {
  if (mode_ == Mode::kSmbus) return smbus_write(data);
  return transfer<1>(session_, {message(address, 0, data.data(), data.size())});
}

int Transfer::write_read(std::uint8_t address, std::span<const std::uint8_t> prefix,
                     std::span<std::uint8_t> data) const {
  if (mode_ == Mode::kSmbus) return smbus_read(prefix.front(), data);
  const i2c_msg out = message(address, 0, prefix.data(), prefix.size());
  const i2c_msg in = message(address, I2C_M_RD, data.data(), data.size());
  if (mode_ == Mode::kCombined) return transfer<2>(session_, {out, in});
  const int sent = transfer<1>(session_, {out});
  return sent < 0 ? sent : transfer<1>(session_, {in});
}

int Transfer::receive(std::uint8_t address) const {
  std::array<std::uint8_t, 1> byte{};
  if (mode_ != Mode::kSmbus) return transfer<1>(session_, {message(address, I2C_M_RD, byte.data(), 1)});
  i2c_smbus_data data{};
  const bool receives = (functions_ & I2C_FUNC_SMBUS_READ_BYTE) != 0;
  return smbus(true, 0, receives ? I2C_SMBUS_BYTE : I2C_SMBUS_BYTE_DATA, &data);
}

int Transfer::smbus(bool read, std::uint8_t command, std::uint32_t size, void* data) const {
  i2c_smbus_ioctl_data argument{static_cast<__u8>(read ? I2C_SMBUS_READ : I2C_SMBUS_WRITE), command, size,
                                static_cast<i2c_smbus_data*>(data)};
  const int answer = session_.control(I2C_SMBUS, &argument);
  return std::min(answer, 0);
}

int Transfer::smbus_write(std::span<const std::uint8_t> data) const {
  i2c_smbus_data block{};
  switch (data.size()) {
    case 1:
      // Adapters that send no single byte can still ask for one: it shows as well whether the part is there.
      if ((functions_ & I2C_FUNC_SMBUS_WRITE_BYTE) == 0) return receive(0);
      return smbus(false, data[0], I2C_SMBUS_BYTE, nullptr);
    case 2:
      if ((functions_ & I2C_FUNC_SMBUS_WRITE_BYTE_DATA) == 0) break;
      block.byte = data[1];
      return smbus(false, data[0], I2C_SMBUS_BYTE_DATA, &block);
    default:
      break;
  }
  if (data.size() > kSmbusBlock + 1) return -EINVAL;
  block.block[0] = static_cast<__u8>(data.size() - 1);
  std::copy(data.begin() + 1, data.end(), block.block + 1);
  return smbus(false, data[0], I2C_SMBUS_I2C_BLOCK_DATA, &block);
}

int Transfer::smbus_read(std::uint8_t command, std::span<std::uint8_t> data) const {
  i2c_smbus_data block{};
  if (data.size() == 1 && (functions_ & I2C_FUNC_SMBUS_READ_BYTE_DATA) != 0) {
    const int answer = smbus(true, command, I2C_SMBUS_BYTE_DATA, &block);
    data[0] = block.byte;
    return answer;
  }
  if (data.size() > kSmbusBlock) return -EINVAL;
  block.block[0] = static_cast<__u8>(data.size());
  const int answer = smbus(true, command, I2C_SMBUS_I2C_BLOCK_DATA, &block);
  if (answer < 0) return answer;
  // The adapter says how many bytes there were.
  if (block.block[0] != data.size()) return -EIO;
  std::copy_n(block.block + 1, data.size(), data.begin());
  return 0;
}

}  // namespace nvmem::i2c
