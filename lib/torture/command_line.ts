/** The command that repeats a run. */
import { MIX, type Decided } from './options.js';

export function commandOf(decided: Decided): string {
  const { subjects, bench, power, cycles, durationMs, seed, workers, mix, region, writes, when } = decided;
  const words = ['nvmem', 'torture', ...subjects.map(quoted)];
  const add = (name: string, value: string | number | undefined): void => {
    if (value !== undefined) words.push(`--${name}`, quoted(String(value)));
  };
  if (bench) {
    words.push('--bench');
    for (const fault of bench.faults ?? []) add('fault', fault);
    if (bench.time === 'real') add('time', 'real');
  }
  if (!bench || power !== 'bench') add('power', power);
  add('cycles', cycles);
  add('duration', durationMs === undefined ? undefined : `${String(durationMs)}ms`);
  add('seed', seed);
  add('workers', workers);
  if (Object.entries(MIX).some(([kind, weight]) => mix[kind as keyof typeof MIX] !== weight))
    add(
      'mix',
      Object.entries(mix)
        .map(([kind, weight]) => `${kind}=${String(weight)}`)
        .join(','),
    );
  if (region) add('region', `${String(region.first)}-${String(region.last)}`);
  if (writes && !bench) words.push('--allow-writes');
  add('when', [...new Set(when)].join(','));
  add('settle', decided.settleMs);
  add('max-recovery', decided.maxRecoveryMs);
  return words.join(' ');
}

function quoted(word: string): string {
  return /^[\w@%+=:,./!-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
