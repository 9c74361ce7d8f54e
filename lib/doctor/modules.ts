/** Drivers of the kernel: which are there, and who needs them. */
import type { Machine } from '../machine/machine.js';
import { ok, problem, type Finding } from './finding.js';

/** 'available': modprobe would find it. */
export type ModuleState = 'loaded' | 'built in' | 'available' | 'missing';

interface Wanted {
  readonly module: string;
  /** Is there when the driver is, loaded or built in. */
  readonly sign: string;
  /** Schemes that cannot do without it. */
  readonly neededBy: readonly string[];
  /** Schemes for which it can matter. */
  readonly usedBy: readonly string[];
  readonly purpose: string;
}

const wanted: readonly Wanted[] = [
  {
    module: 'hid_cp2112',
    sign: '/sys/bus/hid/drivers/cp2112',
    neededBy: [],
    usedBy: ['i2c', 'hidraw'],
    purpose: 'makes an I2C adapter and a gpiochip of a CP2112, for i2c://',
  },
  {
    module: 'i2c_dev',
    sign: '/sys/class/i2c-dev',
    neededBy: ['i2c'],
    usedBy: ['i2c'],
    purpose: 'makes /dev/i2c-N, for i2c://',
  },
  {
    module: 'at24',
    sign: '/sys/bus/i2c/drivers/at24',
    neededBy: [],
    usedBy: ['sysfs'],
    purpose: "is the kernel's own EEPROM driver, for sysfs://",
  },
];

/** `scheme`: of the URI that is asked about. Only what it uses is looked at, and what it needs and is not there is a problem. */
export async function checkModules(machine: Machine, scheme: string | undefined): Promise<Finding[]> {
  const lists = await moduleLists(machine);
  const looked = wanted.filter(({ usedBy }) => scheme === undefined || usedBy.includes(scheme));
  return Promise.all(
    looked.map(async ({ module, sign, neededBy, purpose }) => {
      const name = `module ${module}`;
      const state = await stateOf(machine, lists, module, sign);
      if (state === 'loaded' || state === 'built in') return ok(name, `${state}; it ${purpose}`);
      const isNeeded = scheme !== undefined && neededBy.includes(scheme);
      const isMissing = state === 'missing' && lists.isKnown;
      const says = isMissing
        ? `not among the modules of this kernel (${lists.release}); it ${purpose}`
        : `not loaded; it ${purpose}`;
      const remedy = isMissing
        ? 'Install the modules of the running kernel (linux-modules-extra on Ubuntu), or use cp2112://, which needs none.'
        : `sudo modprobe ${module.replaceAll('_', '-')}`;
      return isNeeded ? problem(name, says, remedy, 'ENOENT') : ok(name, says);
    }),
  );
}

interface ModuleLists {
  readonly release: string;
  /** Whether the lists of this kernel are here at all: not so in containers. */
  readonly isKnown: boolean;
  readonly builtin: ReadonlySet<string>;
  readonly loadable: ReadonlySet<string>;
}

async function moduleLists(machine: Machine): Promise<ModuleLists> {
  const release = (await machine.read('/proc/sys/kernel/osrelease')) ?? '';
  const directory = `/lib/modules/${release}`;
  const [builtin, loadable] = await Promise.all([
    machine.read(`${directory}/modules.builtin`),
    machine.read(`${directory}/modules.dep`),
  ]);
  return {
    release,
    isKnown: builtin !== undefined || loadable !== undefined,
    builtin: moduleNames(builtin),
    loadable: moduleNames(loadable),
  };
}

/** 'kernel/drivers/hid/hid-cp2112.ko.xz: …' is hid_cp2112. */
function moduleNames(list: string | undefined): Set<string> {
  const found = (list ?? '').matchAll(/^[^:\n]*?([^/:\n]+)\.ko/gm);
  return new Set(Array.from(found, ([, file = '']) => file.replaceAll('-', '_')));
}

async function stateOf(
  machine: Machine,
  lists: ModuleLists,
  module: string,
  sign: string,
): Promise<ModuleState> {
  if (lists.builtin.has(module)) return 'built in';
  if ((await machine.exists(`/sys/module/${module}`)) || (await machine.exists(sign))) return 'loaded';
  return lists.loadable.has(module) ? 'available' : 'missing';
}
