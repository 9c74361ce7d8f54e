// The identity of a board over HTTP, for months: it stays up through replugs, and starts whether the board is there or not.
//
//     NVMEM_URI='cp2112:///0x50?chip=24c02' PORT=8080 node examples/service/server.mjs
//
//     GET /          {"mac":"0200c0ffee01","serial":"00000042"}; 503 with the reason while the board is away
//     GET /healthz   200 while it is there, else 503
//     GET /metrics   counters, as text for Prometheus
//
// nvmem-identity.service beside it is a unit for systemd.
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import { follow } from 'nvmem';
import { contentType, metrics } from 'nvmem/metrics';

const { NVMEM_URI, PORT = '8080', HOST = '127.0.0.1', NOTIFY_SOCKET } = process.env;
if (NVMEM_URI === undefined) {
  console.error('NVMEM_URI names the memory, for example cp2112:///0x50?chip=24c02');
  process.exit(2);
}

const board = follow(NVMEM_URI, {
  name: 'board',
  readOnly: true,
  cells: [
    { name: 'serial', offset: 0, bytes: 8 },
    { name: 'mac', offset: 0xfa, bytes: 6 },
  ],
});
// Handles that are taken once serve for ever.
const [serial, mac] = [board.cell('serial'), board.cell('mac')];

board.on('change', ({ state, reason }) => console.error(`board: ${state} (${reason})`));
board.on('error', (error) => console.error(`board: ${error.message}`));
// Another board has another identity, and that is the one to tell from now on.
board.on('replaced', () => board.accept());

const server = createServer((request, response) => {
  answer(request.url ?? '/').then(
    ([status, type, text]) => response.writeHead(status, { 'content-type': type }).end(text),
    (error) => response.writeHead(500).end(`${error.message}\n`),
  );
});

async function answer(path) {
  switch (path) {
    case '/':
      return identity();
    case '/healthz':
      return [board.alive ? 200 : 503, 'text/plain', `${board.state}: ${board.current.reason}\n`];
    case '/metrics':
      return [200, contentType, metrics()];
    default:
      return [404, 'text/plain', 'there is /, /healthz and /metrics\n'];
  }
}

async function identity() {
  try {
    // A request does not wait for a replug for longer than somebody waits for an answer.
    const how = { onUnplug: 'wait', timeoutMs: 1000 };
    const [number, address] = await Promise.all([serial.read(how), mac.read(how)]);
    const told = { mac: address.toString('hex'), serial: number.toString('latin1') };
    return [200, 'application/json', `${JSON.stringify(told)}\n`];
  } catch (error) {
    return [503, 'application/json', `${JSON.stringify({ code: error.code, message: error.message })}\n`];
  }
}

// Node has no datagram sockets of Unix, so systemd's own program says it.
function notify(...words) {
  if (NOTIFY_SOCKET === undefined) return;
  execFile('systemd-notify', words, (error) => {
    if (error) console.error(`systemd-notify: ${error.message}`);
  });
}

server.listen(Number(PORT), HOST, () => {
  console.error(`listening on ${HOST}:${server.address().port}`);
  notify('--ready', '--status=serving');
});

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    notify('--stopping');
    server.close();
    server.closeIdleConnections();
    await board.close();
  });
}
