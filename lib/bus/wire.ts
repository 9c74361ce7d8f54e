/** Which buses lead to the same wires. */
import { bridgesOf } from '../machine/bridges.js';
import { thisMachine } from '../machine/machine.js';

/** The wires behind a node: those of a CP2112 are the bridge's, whether one goes through hidraw or through its adapter. */
export async function wireOfNode(node: string, machine = thisMachine): Promise<string> {
  const bridges = await bridgesOf(machine);
  const bridge = bridges.find(({ hidraw, i2c }) => hidraw.includes(node) || i2c.includes(node));
  return bridge === undefined ? `node ${node}` : `usb ${bridge.path}`;
}
