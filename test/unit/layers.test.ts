/** Each layer knows only those below it, and no file knows itself by a detour. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

const LIB = join(__dirname, '../../lib');

/**
 * From the bottom up; what stands in one line does not know each other. `index` is lib/index.ts, the entry.
 * docs/architecture.md says what each is for.
 */
const LAYERS: readonly (readonly string[])[] = [
  ['base'],
  ['native', 'chips'],
  ['uri'],
  ['journal'],
  ['core'],
  ['machine'],
  ['bus'],
  ['kernel', 'i2c', 'hotplug'],
  ['open'],
  ['follow'],
  ['doctor', 'metrics'],
  ['index', 'rig'],
  ['survey', 'torture'],
  ['cli'],
];
const level = new Map(LAYERS.flatMap((names, at) => names.map((name) => [name, at] as const)));

/** 'core/cell.ts' is of the layer 'core'. */
function layerOf(file: string): string {
  const slash = file.indexOf('/');
  return slash < 0 ? file.replace(/\.ts$/, '') : file.slice(0, slash);
}

/** The files of the library, with those that each imports. */
function imports(): Map<string, string[]> {
  const files = readdirSync(LIB, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  return new Map(
    files.map((file) => {
      const text = readFileSync(join(LIB, file), 'utf8');
      const found = text.matchAll(/(?:from|import\(|import|require\()\s*'(\.[^']+)\.js'/g);
      const all = [...found].map(([, name = '']) => `${normalize(join(dirname(file), name))}.ts`);
      // An entry says of which type its default export is: its own.
      return [file, all.filter((one) => one !== file)];
    }),
  );
}

/** A way from `file` back to itself. */
function circleFrom(file: string, graph: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const cameFrom = new Map<string, string>();
  const queue = [file];
  for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
    for (const next of graph.get(at) ?? []) {
      if (next === file) {
        const way = [file];
        for (
          let back: string | undefined = at;
          back !== undefined && back !== file;
          back = cameFrom.get(back)
        )
          way.push(back);
        return [...way, file].reverse();
      }
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, at);
      queue.push(next);
    }
  }
  return undefined;
}

const graph = imports();

test('every folder has its place among the layers, and every import leads to a file', () => {
  expect(graph.size).toBeGreaterThan(80);
  expect([...graph.keys()].filter((file) => !level.has(layerOf(file)))).toEqual([]);
  expect([...graph.values()].flat().filter((file) => !graph.has(file))).toEqual([]);
});

test('no arrow points up, or sideways', () => {
  const wrong = [...graph].flatMap(([from, all]) =>
    all
      .filter((to) => {
        const [a, b] = [layerOf(from), layerOf(to)];
        return a !== b && (level.get(b) ?? Infinity) >= (level.get(a) ?? -1);
      })
      .map((to) => `${from} -> ${to}`),
  );
  expect(wrong).toEqual([]);
});

test('no circle', () => {
  const circles = [...graph.keys()].flatMap((file) => circleFrom(file, graph)?.join(' -> ') ?? []);
  expect(circles).toEqual([]);
});
