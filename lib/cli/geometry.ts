/** What a command says where the part does not look like the one its URI names. */
import type { NvmemGeometry } from '../core/part_commands.js';

export function geometryWarning({ reason }: NvmemGeometry): string {
  return `warning: this may not be the part that the URI names: ${reason}`;
}
