/** The lookout's thread, sockets and hold on the event loop, however a program or a worker ends. */
import { join } from 'node:path';

import { runNode } from '../e2e/lanes.js';

async function answerOf(mode: string): Promise<unknown[]> {
  const { status, signal, stdout, stderr } = await runNode(
    [join(__dirname, 'fixtures', 'lookout.js'), mode],
    {},
    25_000,
  );
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
  return stdout
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);
}

test('workers that are terminated with presences leave no thread and no descriptor', async () => {
  expect(await answerOf('workers')).toEqual([{ states: 6, lookouts: 0, descriptors: 0 }]);
});

test('presences share one thread, which ends with the last of them', async () => {
  expect(await answerOf('closed')).toEqual([{ during: [1, 1], half: 1, after: [0, 0], descriptors: 0 }]);
});

test('process.exit() with an open one', async () => {
  expect(await answerOf('exit')).toEqual([{ lookouts: 1 }]);
});

test.each([
  ['idle', ['ends']],
  ['listened', ['held']],
  ['iterated', [false, 'held']],
  ['unreferenced', []],
])('the event loop: %s', async (mode, said) => {
  expect(await answerOf(mode)).toEqual(said);
});
