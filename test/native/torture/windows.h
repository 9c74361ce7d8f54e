// Included in front of everything in the builds that make the dangerous moments of the algorithm last longer.
#pragma once

namespace torture {

/// A scope's stamp has been chosen but not stored.
void enter() noexcept;
/// A hold's index has been read but not counted on.
void down() noexcept;
/// A grace period is between its two kinds of scan.
void between_scans() noexcept;

}  // namespace torture

#define NVMEM_SRCU_WINDOW(where) ::torture::where()
