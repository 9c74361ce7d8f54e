import { partUriOn } from '../../../lib/uri/bus_uri.js';
import { parseBusUri, parseUri } from '../../../lib/uri/uri.js';

test.each([
  ['cp2112://', 'cp2112:///0x50?chip=24c02'],
  ['cp2112:///', 'cp2112:///0x50?chip=24c02'],
  ['cp2112://0043FFF3', 'cp2112://0043FFF3/0x50?chip=24c02'],
  ['cp2112://1-1.4/', 'cp2112://1-1.4/0x50?chip=24c02'],
  ['CP2112://1-1.4?speed=400000', 'cp2112://1-1.4/0x50?chip=24c02&speed=400000'],
  ['hidraw:///dev/hidraw0?force=1', 'hidraw:///dev/hidraw0/0x50?chip=24c02&force=1'],
  ['i2c:///dev/i2c-1', 'i2c:///dev/i2c-1/0x50?chip=24c02'],
  ['usbip://h/1-1?id=1234:abcd', 'usbip://h/1-1/0x50?chip=24c02&id=1234:abcd'],
  ['usbip://h/1-1', 'usbip://h/1-1/0x50?chip=24c02'],
  ['usbip://[::1]:3241/1-1.2', 'usbip://[::1]:3241/1-1.2/0x50?chip=24c02'],
])('%s names parts as %s', (uri, part) => {
  const bus = parseBusUri(uri);
  expect(partUriOn(bus, 0x50, 'chip=24c02')).toBe(part);
  expect(parseUri(part)).toMatchObject({ scheme: bus.scheme, uri: part, bus });
  expect(parseBusUri(bus.uri)).toEqual(bus);
});

test.each([
  ['', /it is the URI of no bus/],
  ['mem://64', /it is the URI of no bus/],
  ['sysfs://0-00500', /it is the URI of no bus/],
  ['usbip://h', /it is the URI of no bus/],
  ['usbip://h/1-1/x', /it is the URI of no bus/],
  ['i2c://', /it is the URI of no bus/],
  ['i2c://h/dev/i2c-1', /it is the URI of no bus/],
  ['hidraw://dev', /it is the URI of no bus/],
  ['cp2112://a/b', /it is the URI of no bus/],
  ['usbip://h/1-1/0x50?chip=24c02', /it names a part, and a bus is asked for/],
  ['i2c:///dev/i2c-1/0x50', /it names a part/],
  ['cp2112://?chip=24c02', /it names a part/],
  ['i2c:///dev/i2c-1?speed=400000', /it has speed=/],
  ['usbip://h:0/1-1', /port 0/],
  ['usbip://u@h/1-1', /user name/],
  ['cp2112://?speed=fast', /speed=fast is not/],
  ['cp2112://?nonsense=1', /unknown parameter nonsense=/],
])('%s is refused', (uri, says) => {
  let error: unknown;
  try {
    parseBusUri(uri);
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toMatchObject({ code: 'EINVAL', message: expect.stringMatching(says) });
  const { message } = error as Error;
  expect(message).toContain(JSON.stringify(uri));
});
