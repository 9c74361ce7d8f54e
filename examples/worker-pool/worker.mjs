import { createHash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { followShared } from 'nvmem';

const board = followShared(workerData, { onUnplug: 'wait' });

parentPort.on('message', async (stretch) => {
  if (stretch === 'end') {
    parentPort.close();
    await board.close();
    return;
  }
  try {
    const data = await board.read(stretch.offset, stretch.length);
    parentPort.postMessage({ sha256: createHash('sha256').update(data).digest('hex') });
  } catch (error) {
    parentPort.postMessage({ error: error.message });
  }
});
