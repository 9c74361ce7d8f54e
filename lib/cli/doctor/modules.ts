/** Drivers of the kernel: which are there, and who needs them. */
import type { System } from '../system.js';
import { ok, problem, type Check } from './check.js';

/** 'available': modprobe would find it. */
export type ModuleState = 'loaded' | 'built in' | 'available' | 'missing';

interface Wanted {
  readonly module: string;
  /** Schemes that cannot do without it. */
  readonly neededBy: readonly string[];
  readonly purpose: string;
}

const wanted: readonly Wanted[] = [
  {
    module: 'hid_cp2112',
    neededBy: [],
    purpose: 'makes an I2C adapter and a gpiochip of a CP2112, for i2c://',
  },
  { module: 'i2c_dev', neededBy: ['i2c'], purpose: 'makes /dev/i2c-N, for i2c://' },
  { module: 'at24', neededBy: [], purpose: "is the kernel's own EEPROM driver, for sysfs://" },
];

/** `scheme`: of the URI that is asked about; what it needs and is not there is a problem. */
export async function checkModules(system: System, scheme: string | undefined): Promise<Check[]> {
  const lists = await moduleLists(system);
  return Promise.all(
    wanted.map(async ({ module, neededBy, purpose }) => {
      const state = await stateOf(system, lists, module);
      const name = `module ${module}`;
      if (state === 'loaded' || state === 'built in') return ok(name, `${state}; it ${purpose}`);
      const isNeeded = scheme !== undefined && neededBy.includes(scheme);
      const says =
        state === 'available'
          ? `not loaded; it ${purpose}`
          : lists.release === undefined
            ? `not loaded; it ${purpose}`
            : `not part of this kernel (${lists.release}); it ${purpose}`;
      const remedy =
        state === 'available' || !lists.known
          ? `sudo modprobe ${module.replaceAll('_', '-')}`
          : 'Install the modules of the running kernel (linux-modules-extra on Ubuntu), or use cp2112://, which needs none.';
      return isNeeded ? problem(name, says, remedy, 'ENOENT') : ok(name, says);
    }),
  );
}

interface ModuleLists {
  readonly release: string | undefined;
  /** Whether the lists of this kernel are here at all: not so in containers. */
  readonly known: boolean;
  readonly builtin: ReadonlySet<string>;
  readonly loadable: ReadonlySet<string>;
}

async function moduleLists(system: System): Promise<ModuleLists> {
  const release = await system.read('/proc/sys/kernel/osrelease');
  const directory = `/lib/modules/${release ?? ''}`;
  const [builtin, loadable] = await Promise.all([
    system.read(`${directory}/modules.builtin`),
    system.read(`${directory}/modules.dep`),
  ]);
  return {
    release,
    known: builtin !== undefined || loadable !== undefined,
    builtin: moduleNames(builtin),
    loadable: moduleNames(loadable),
  };
}

/** 'kernel/drivers/hid/hid-cp2112.ko.xz: …' is hid_cp2112. */
function moduleNames(list: string | undefined): Set<string> {
  const found = (list ?? '').matchAll(/^[^:\n]*?([^/:\n]+)\.ko/gm);
  return new Set(Array.from(found, ([, file = '']) => file.replaceAll('-', '_')));
}

async function stateOf(system: System, lists: ModuleLists, module: string): Promise<ModuleState> {
  if (lists.builtin.has(module)) return 'built in';
  // A driver without parameters that is built in has no directory there.
  if (await system.exists(`/sys/module/${module}`)) return 'loaded';
  return lists.loadable.has(module) ? 'available' : 'missing';
}
