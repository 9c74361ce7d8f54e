import { Document, isScalar, visit } from 'yaml';
import { formatCommand } from './command_text.js';
import { formatFault } from './fault_text.js';
import type { ImagePiece } from './image_pieces.js';
import type {
  PowerCurve,
  Scenario,
  ScenarioBridge,
  ScenarioPart,
  ScenarioStep,
  StepTrigger,
} from './scenario.js';

/** Up to so many bytes are legible as hexadecimal digits. */
const MAX_HEX = 64;

/** The YAML text that `parseScenario` reads as this scenario. */
export function formatScenario(scenario: Scenario): string {
  const { title, time, seed, bridges, steps } = scenario;
  const document = new Document(
    defined({ title, time, seed, bridges: bridges.map(bridge), steps: steps?.map(step) }),
  );
  visit(document, {
    Pair: (_, pair) => {
      if (isScalar(pair.key) && pair.key.value === 'address' && isScalar(pair.value))
        pair.value.format = 'HEX';
    },
    // A list of phases reads as a curve in one line.
    Seq: (_, list, path) => {
      const pair = path.at(-1);
      const isCurve = pair && 'key' in pair && isScalar(pair.key) && pair.key.value === 'curve';
      if (isCurve) list.flow = true;
    },
  });
  return document.toString({ lineWidth: 0 });
}

function bridge(one: ScenarioBridge): object {
  const { busid, serial, version, vid = 0x10c4, pid = 0xea90, product, bcdDevice, plugged } = one;
  const isOem = one.vid !== undefined || one.pid !== undefined;
  return defined({
    busid,
    serial,
    version,
    id: isOem ? `${hex4(vid)}:${hex4(pid)}` : undefined,
    product,
    release: bcdDevice,
    plugged,
    'answer-empty': one.answerEmpty,
    'reenumerate-ms': one.reenumerateMs,
    'busy-polls': one.busyPolls,
    parts: one.parts?.map(part),
    faults: one.faults?.map(formatFault),
    power: one.power && power(one.power),
  });
}

function part(one: ScenarioPart): object {
  const { address, chip, wp, wpInverted, image, window, save, maker, pageSize, writeCycleMs, powerLoss } =
    one;
  return defined({
    address,
    chip,
    wp: wp === true ? 'high' : wp !== undefined && wpInverted ? `!${String(wp)}` : wp,
    image: image && pieces(image),
    window: window && pieces(window),
    save,
    maker,
    page: pageSize,
    twr: writeCycleMs,
    'power-loss': powerLoss,
  });
}

function pieces(all: readonly ImagePiece[]): object {
  const written = all.map(({ at, bytes, file, fill, random, length }) =>
    defined({ at, ...(bytes ? bytesText(bytes) : {}), file, fill, random, length }),
  );
  return written.length === 1 ? (written[0] ?? {}) : written;
}

function bytesText(bytes: Uint8Array): object {
  const buffer = Buffer.from(bytes);
  return bytes.length <= MAX_HEX ? { hex: buffer.toString('hex') } : { base64: buffer.toString('base64') };
}

function power({ curve, repeat, jitter, seed, how }: PowerCurve): object {
  return defined({
    curve: curve.map(({ state, ms }) => `${state} ${String(ms)}`),
    repeat: repeat === Infinity ? 'forever' : repeat,
    jitter,
    seed,
    how,
  });
}

function step({ at, when, after, do: commands }: ScenarioStep): object {
  const lines = commands.map(formatCommand);
  return defined({ at, when: when && trigger(when), after, do: lines.length === 1 ? lines[0] : lines });
}

function trigger({ on, n, device }: StepTrigger): string {
  return [device, on, n].filter((word) => word !== undefined).join(' ');
}

function hex4(value: number): string {
  return value.toString(16).padStart(4, '0');
}

function defined(object: object): object {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}
