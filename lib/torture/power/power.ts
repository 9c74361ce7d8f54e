/** Who pulls the plug. */
import { NvmemError } from '../../base/errors.js';
import type { Finding } from '../../doctor/finding.js';
import type { PlannedPull } from '../schedule.js';

/** What went wrong was the power, not the subject. */
export class PowerError extends NvmemError {}

export function powerError(message: string, hint: string, cause?: unknown): PowerError {
  return new PowerError('EIO', message, { syscall: 'power', hint, cause });
}

/** A switch was thrown. Times as of clockMs(). */
export interface Switched {
  readonly began: number;
  /** When it had taken effect, as far as that is known. */
  readonly at: number;
  /** For a person: 'wire byte 120'. */
  readonly where: string;
}

/** A plug that pulls itself. */
export interface ArmedPull {
  /** When it is pulled; undefined: it was let go of before. */
  readonly pulled: Promise<Switched | undefined>;
  letGo(): void;
}

/** One plug: what goes with it goes at once. */
export interface Plug {
  /** For a person: 'bridge 1-1'. */
  readonly name: string;
  /** By their indexes. */
  readonly subjects: readonly number[];
  /** Rejects with PowerError. */
  off(): Promise<Switched>;
  on(): Promise<Switched>;
  /** That it was pulled is said later than the subject may notice: by a person, or over another connection. Default false. */
  readonly tellsLate?: boolean;
  /** Pulls it at a byte or a report; absent: it cannot. */
  arm?(pull: Extract<PlannedPull, { by: 'position' }>): ArmedPull;
  /** The level of a part's WP pin, as somebody beside the driver sees it; absent or undefined: nobody does. */
  wpHigh?(subject: number): boolean | undefined;
  /** The run has seen that the subjects have gone, or are back: for a plug that a person pulls. */
  noticed?(state: 'off' | 'on'): void;
}

export interface Power {
  /** As --power names it. */
  readonly kind: string;
  readonly plugs: readonly Plug[];
  /** The parts lose their supply with it: of a page that is being written any byte may change. */
  readonly cutsSupply: boolean;
  /** What it needs, and whether that is there. Looks only. */
  needs(): Promise<Finding[]>;
  close(): Promise<void>;
}

export const POWER_FORMS =
  "bench, bench:[HOST:]PORT, usb-authorized, usb-unbind, driver-unbind, uhubctl[:HUB,PORT], usbip-detach:HOST[:PORT]/BUSID, command:'CMD {off|on}', manual";

export type PowerSpec =
  | { readonly kind: 'bench'; readonly host: string; readonly port: number | undefined }
  | { readonly kind: 'usb-authorized' | 'usb-unbind' | 'driver-unbind' | 'manual' }
  | { readonly kind: 'uhubctl'; readonly hub: string | undefined; readonly port: number | undefined }
  | { readonly kind: 'usbip-detach'; readonly host: string; readonly port: number; readonly busid: string }
  | { readonly kind: 'command'; readonly words: readonly string[] };

/** @throws NvmemError EINVAL: it is none of the forms */
export function parsePower(text: string): PowerSpec {
  const [, kind = '', rest] = /^([a-z-]+)(?::([^]*))?$/.exec(text) ?? [];
  const wrong = (what: string): never => {
    throw new NvmemError('EINVAL', `--power ${text}: ${what}`, { hint: `Write one of ${POWER_FORMS}.` });
  };
  switch (kind) {
    case 'usb-authorized':
    case 'usb-unbind':
    case 'driver-unbind':
    case 'manual':
      return rest === undefined ? { kind } : wrong(`${kind} takes nothing behind it`);
    case 'bench': {
      if (rest === undefined) return { kind, host: '127.0.0.1', port: undefined };
      const [, host = '127.0.0.1', port = ''] = /^(?:(.+):)?(\d+)$/.exec(rest) ?? [];
      return portOf(port) ? { kind, host, port: Number(port) } : wrong('a control port is [HOST:]PORT');
    }
    case 'uhubctl': {
      if (rest === undefined) return { kind, hub: undefined, port: undefined };
      const [, hub, port = ''] = /^(\d+(?:-\d+(?:\.\d+)*)?),(\d+)$/.exec(rest) ?? [];
      return hub === undefined
        ? wrong('it is HUB,PORT as uhubctl shows them: 1-1,2')
        : { kind, hub, port: Number(port) };
    }
    case 'usbip-detach': {
      const [, host, port = '3240', busid = ''] = /^([^/:]+)(?::(\d+))?\/(\S+)$/.exec(rest ?? '') ?? [];
      return host === undefined || !portOf(port)
        ? wrong('it is HOST[:PORT]/BUSID, where the kernel has the bridge from')
        : { kind, host, port: Number(port), busid };
    }
    case 'command': {
      const words = splitWords(rest ?? '');
      if (words === undefined) return wrong('a quotation mark is not closed');
      return words.length > 0 ? { kind, words } : wrong('it names no command');
    }
    default:
      return wrong('it is nothing that switches power');
  }
}

function portOf(text: string): boolean {
  return Number(text) >= 1 && Number(text) <= 65_535;
}

/** Words as a shell has them, with quotation marks and backslashes and without anything else. Undefined: one is not closed. */
export function splitWords(text: string): string[] | undefined {
  const words: string[] = [];
  let word: string | undefined;
  let quote: string | undefined;
  for (let i = 0; i < text.length; i++) {
    const character = text.charAt(i);
    if (quote !== undefined) {
      if (character === quote) quote = undefined;
      else if (character === '\\' && quote === '"' && /["\\]/.test(text.charAt(i + 1)))
        word = `${word ?? ''}${text.charAt(++i)}`;
      else word = `${word ?? ''}${character}`;
    } else if (character === '"' || character === "'") {
      quote = character;
      word ??= '';
    } else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (character === '\\') word = `${word ?? ''}${text.charAt(++i)}`;
    else word = `${word ?? ''}${character}`;
  }
  if (quote !== undefined) return undefined;
  return word === undefined ? words : [...words, word];
}
