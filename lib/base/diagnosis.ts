/** What the bytes of a part tell about why an operation failed, and what to do about that. */

/** native/slot/request.h, enum Finding. */
const FINDINGS = [
  undefined,
  'width',
  'size',
  undefined,
  'write-protect',
  'protected-stretch',
  'page',
  'other-bytes',
  'write-cycle',
  'refused-byte',
] as const;

/**
 * `width`, `size`: it is another part than the URI says. `write-protect`: nothing was stored. `protected-stretch`: nothing was
 * stored from some offset on. `page`: the part's write page is smaller. `other-bytes`: neither the old bytes nor those
 * written. `write-cycle`: the part does not come back from it in time. `refused-byte`: a data byte was refused after others.
 */
export type NvmemDiagnosis = NonNullable<(typeof FINDINGS)[number]>;

/** What an error says of it: nothing where the bytes did not tell. */
export function diagnosed({
  finding = 0,
  found = 0,
}: {
  finding?: number | undefined;
  found?: number | undefined;
}): {
  readonly diagnosis?: NvmemDiagnosis;
  readonly hint?: string;
} {
  const diagnosis = FINDINGS[finding];
  return diagnosis === undefined ? {} : { diagnosis, hint: hintOf(diagnosis, found) };
}

function hintOf(diagnosis: NvmemDiagnosis, found: number): string {
  switch (diagnosis) {
    case 'width':
    case 'size':
      return (
        'Name the part that is there with chip= (nvmem scan proposes one), or its size= and addressWidth=; ' +
        '--force-geometry (forceGeometry: true) is for those who know better.'
      );
    case 'write-protect':
      return 'Tie the WP pin low, or name the line on it: wp=N is a GPIO of the bridge, wp=CHIP:LINE one of a gpiochip.';
    case 'protected-stretch':
      return (
        `Leave out what lies from 0x${found.toString(16)} on where the data sheet says that it is protected for good ` +
        '(24AA02E48, AT24HC02 with WP high); else look at the WP pin.'
      );
    case 'page':
      return `Add page=${String(found)} to the URI, and write it again.`;
    case 'other-bytes':
      return 'Make sure that nobody else writes to the part, and write it again; where it stays so the cells are worn out.';
    case 'write-cycle':
      return 'Add twr=MS to the URI, the longest write cycle of the part in milliseconds, and write the uncertain range again.';
    case 'refused-byte':
      return 'Write the uncertain range again; where it happens again look at the WP pin, the wiring and a lower speed=.';
  }
}
