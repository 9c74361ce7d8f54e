#include "native/at24/diagnose.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>

namespace nvmem::at24 {
namespace {

template <class... Values>
std::string say(const char* format, Values... values) {
  std::array<char, 240> text{};
  (void)std::snprintf(text.data(), text.size(), format, values...);
  return text.data();
}

unsigned long long number(std::uint64_t value) { return value; }

std::uint64_t differing(const Evidence& e, const Stretch& page) {
  std::uint64_t count = 0;
  for (std::uint64_t i = page.begin; i < page.end; ++i) count += e.got[i] != e.wanted[i] ? 1 : 0;
  return count;
}

/// What the device holds where a part puts the byte that was meant for i at place(i), the last one winning.
/// True: that is what was read, and it differs from what was wanted.
template <class Place>
bool explains(const Evidence& e, Place&& place) {
  std::vector<int> model(e.wanted.size(), -1);
  for (const Stretch& page : e.pages) {
    for (std::uint64_t i = page.begin; i < page.end; ++i) {
      const std::uint64_t at = place(page, i);
      if (at < model.size()) model[at] = e.wanted[i];
    }
  }
  bool differs = false;
  for (std::size_t i = 0; i < model.size(); ++i) {
    if (model[i] < 0) continue;
    if (model[i] != e.got[i]) return false;
    differs = differs || model[i] != e.wanted[i];
  }
  return differs;
}

/// A page write that runs past the end of the part's own, smaller page goes on at its beginning.
std::uint64_t smaller_page(const Evidence& e) {
  for (std::uint64_t page = std::bit_floor(e.config.page_size) / 2; page > 0; page /= 2) {
    const bool fits = explains(e, [&](const Stretch& sent, std::uint64_t i) {
      const std::uint64_t first = e.config.offset_add + e.offset + sent.begin;
      const std::uint64_t at = first - first % page + (first % page + i - sent.begin) % page;
      // Before the request it cannot be looked at; that wraps to beyond its end.
      return at - e.config.offset_add - e.offset;
    });
    if (fits) return page;
  }
  return 0;
}

/// A later page has gone where an earlier one was.
std::uint64_t smaller_part(const Evidence& e) {
  if (e.config.size < 2) return 0;
  for (std::uint64_t size = std::bit_floor(e.config.size - 1); size >= 16; size /= 2) {
    // Each place of a part that repeats itself shows the last byte written to any of its aliases.
    std::vector<int> last(size, -1);
    for (const Stretch& page : e.pages) {
      for (std::uint64_t i = page.begin; i < page.end; ++i) last[(e.offset + i) % size] = e.wanted[i];
    }
    bool fits = true;
    bool differs = false;
    for (const Stretch& page : e.pages) {
      for (std::uint64_t i = page.begin; fits && i < page.end; ++i) {
        fits = last[(e.offset + i) % size] == e.got[i];
        differs = differs || e.got[i] != e.wanted[i];
      }
    }
    if (fits && differs) return size;
  }
  return 0;
}

/// All that is known of the bytes from before is there still, and it is not what was wanted.
bool is_old(const Evidence& e, const Stretch& stretch) {
  bool differs = false;
  for (std::uint64_t i = stretch.begin; i < stretch.end; ++i) {
    if (i < e.old_begin || i - e.old_begin >= e.old.size()) continue;
    if (e.got[i] != e.old[i - e.old_begin]) return false;
    differs = differs || e.got[i] != e.wanted[i];
  }
  return differs;
}

bool knows_all(const Evidence& e, const Stretch& stretch) {
  return stretch.begin >= e.old_begin && stretch.end <= e.old_begin + e.old.size();
}

Diagnosis protected_or_other(const Evidence& e) {
  const auto first = std::find_if(e.pages.begin(), e.pages.end(),
                                  [&](const Stretch& page) { return differing(e, page) > 0; });
  const bool to_the_end =
      std::all_of(first, e.pages.end(), [&](const Stretch& page) { return differing(e, page) > 0; });
  // Somebody who stores a page and drops the next has not stored half of it.
  const bool whole = std::all_of(first, e.pages.end(), [&](const Stretch& page) {
    return knows_all(e, page) ? is_old(e, page) : 2 * differing(e, page) >= page.end - page.begin;
  });
  const Diagnosis other{Finding::kOtherBytes, 0,
                        "reads back differently, neither as it was nor as it was written: somebody else "
                        "writes to it, or it is worn out"};
  if (first == e.pages.end() || !to_the_end || !whole) return other;
  const std::uint64_t begin = e.offset + first->begin;
  const std::uint64_t half = e.config.size / 2;
  if (first == e.pages.begin()) {
    if (!is_old(e, *first)) return other;
    const char* const upper = begin >= half && e.config.size > 1 ? ", or its upper half is so for good" : "";
    return {Finding::kProtected, 0,
            say("reads back as it was before, nothing was stored: it is write protected%s", upper)};
  }
  const bool is_half = begin >= half && e.offset + std::prev(first)->begin < half;
  if (is_half) {
    return {Finding::kUpperHalf, half,
            say("reads back as written up to 0x%llx, and nothing was stored from there on: the upper half of "
                "the part is protected",
                number(half))};
  }
  return {Finding::kUpperHalf, begin,
          say("reads back as written up to 0x%llx, and nothing was stored from there on: a protected stretch, "
              "or write protect went up meanwhile",
              number(begin))};
}

}  // namespace

Diagnosis diagnose(const Evidence& evidence) {
  Diagnosis plain = protected_or_other(evidence);
  // That stands on bytes that are known.
  if (plain.finding == Finding::kProtected) return plain;
  if (const std::uint64_t page = smaller_page(evidence); page != 0) {
    return {Finding::kPage, page,
            say("the end of a page write lies at the beginning of it: the part's page has %llu bytes and not "
                "%llu",
                number(page), number(evidence.config.page_size))};
  }
  if (const std::uint64_t size = smaller_part(evidence); size != 0) {
    return {Finding::kSize, size,
            say("what was written repeats itself after %llu bytes: the part has those and not %llu",
                number(size), number(evidence.config.size))};
  }
  return plain;
}

}  // namespace nvmem::at24
