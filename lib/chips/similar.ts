/** What was probably meant by a name that no chip has. */
import { chipNames } from './chips.js';

/** Memories that are no I2C EEPROMs of the 24Cxx kind, by how their names begin, and how they are reached. */
const FAMILIES: readonly (readonly [name: RegExp, says: string])[] = [
  [
    /^(?:at|cat|br|s|x|nm|fm|mr|is|n)?25[a-z]{0,4}[0-9]|^m95|^95[0-9]|^cy15[bv]|^mb85rs|^(?:sst|w|mx|gd|en)2[56]/,
    'is an SPI memory: it has a chip select and no I2C address, and an SPI adapter reaches it',
  ],
  [
    /^(?:at|cat|br|s|st|x|nm|fm|is|cy|n)?93[a-z]{0,2}[0-9]|^m93|^93/,
    'is a Microwire memory (three wires and a chip select), and I2C does not reach it',
  ],
  [
    /^ds(?:1982|1985|1986|199[0-9]|24[0-9b][0-9]|25[0-9]{2}|28e?[a-z]{0,2}[0-9]+)|^at21cs/,
    'is a 1-Wire (single-wire) memory, and I2C does not reach it',
  ],
  [/^(?:at)?11(?:lc|aa|xx)[0-9]/, 'is a UNI/O memory (one wire), and I2C does not reach it'],
];

/** Why a name is that of no 24Cxx at all, as the end of a sentence; undefined: it may be a misspelling. */
export function otherFamily(name: string): string | undefined {
  const wanted = partOf(name);
  return FAMILIES.find(([begins]) => begins.test(wanted))?.[1];
}

/** Names like `name`, nearest first: what was probably meant. The density weighs most, for it is what people read first. */
export function similarChips(name: string, count = 4): string[] {
  const wanted = partOf(name);
  const density = densityOf(wanted);
  return chipNames()
    .map((candidate) => {
      const lower = candidate.toLowerCase();
      const isOther = density !== densityOf(lower);
      return { candidate, isOther, distance: editDistance(wanted, lower) };
    })
    .sort(
      (a, b) =>
        Number(a.isOther) - Number(b.isOther) ||
        a.distance - b.distance ||
        a.candidate.length - b.candidate.length,
    )
    .slice(0, count)
    .map(({ candidate }) => candidate);
}

function partOf(name: string): string {
  return name
    .trim()
    .toLowerCase()
    .replace(/^[a-z]+,/, '');
}

/** '24lc512x-i/sn' and 'm24512': 512; 'm24m01' and 'br24g1m': 1024. Undefined: the name has no such digits. */
function densityOf(name: string): number | undefined {
  const [, letters = '', digits, mega] = /24([a-z]*)([0-9]+)(m)?/.exec(name) ?? [];
  if (digits === undefined) return undefined;
  return Number(digits) * (letters.endsWith('m') || mega !== undefined ? 1024 : 1);
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(substitute, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}
