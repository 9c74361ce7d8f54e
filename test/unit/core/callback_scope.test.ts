/** What marking calls into user code costs the process: nothing once they have ended. */
import { Registry } from '../../../lib/index.js';

const marks = async (): Promise<number> => {
  // The first await leaves whatever scope is left; hooks mark a promise when it is made.
  await Promise.resolve();
  return Object.getOwnPropertySymbols(Promise.resolve()).length;
};

test('promises are marked while a call into user code runs, and no longer', async () => {
  const answers: ((data: Uint8Array) => void)[] = [];
  const provider = { size: 4, read: () => new Promise<Uint8Array>((resolve) => answers.push(resolve)) };
  const device = await new Registry().register({ provider, name: 'user' });
  // Whoever runs the tests may mark promises of its own.
  const before = await marks();
  for (let round = 0; round < 2; round += 1) {
    const reads = [device.read(0, 4), device.read(0, 4)];
    const [major = 0] = process.versions.node.split('.').map(Number);
    // From Node.js 24 on the engine itself carries the scope.
    if (major < 24) expect(await marks()).toBeGreaterThan(before);
    for (const answer of answers.splice(0)) answer(new Uint8Array(4));
    await Promise.all(reads);
    expect(await marks()).toBe(before);
  }
});
