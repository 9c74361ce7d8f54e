// The standard headers nearly every file includes, compiled once a flavour.
#ifndef NVMEM_TEST_PCH_H_
#define NVMEM_TEST_PCH_H_

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#endif  // NVMEM_TEST_PCH_H_
