import { expect, it } from 'vitest';

import { socketRequests } from '../../src/index.ts';
import { decodeSocket } from '../../src/sockets/socket.ts';
import type { SocketIdentity } from '../../src/index.ts';
import { ip } from '../helpers.ts';

const socket: SocketIdentity = { protocol: 'tcp', family: 6, source: { address: ip('192.0.2.1'), port: 1025 }, destination: { address: ip('2001:db8::1'), port: 80 }, link: undefined, cookie: 0x1_0000_0002n };

it('names a socket as struct inet_diag_req_v2 does', () => {
  const { payload, operation, type } = socketRequests.destroy(socket);
  expect(operation).toBe('destroy tcp6 socket 192.0.2.1 port 1025 to 2001:db8::1 port 80');
  expect(type).toBe(21);
  expect(Buffer.from(payload).toString('hex')).toBe(
    '0a060000' + 'ffffffff' + '0401' + '0050' + '00000000000000000000ffffc0000201' + '20010db8000000000000000000000001' + '00000000' + '0200000001000000',
  );
});

it('puts conditions into the filter language of the kernel', () => {
  const { payload } = socketRequests.list({ protocol: 'udp', family: 4, states: ['established', 'close'], source: { port: 53 }, destination: { address: ip('10.0.0.0'), prefixLength: 8 } });
  expect(Buffer.from(payload.subarray(0, 8)).toString('hex')).toBe('02110000' + '82000000');
  expect(Buffer.from(payload.subarray(56)).toString('hex')).toBe(
    '20000100' + // 32 bytes of INET_DIAG_REQ_BYTECODE
      '070c2000' + '00000000' + '35000000' + // source: yes 12 bytes on, no 4 beyond the end
      '08101400' + '02080000' + 'ffffffff' + '0a000000',
  );
});

it('refuses what no socket can be', () => {
  expect(() => socketRequests.list({ protocol: 'sctp' as never, family: 4 })).toThrow(/^filter.protocol: expected 'tcp' \| 'udp', got "sctp"/);
  expect(() => socketRequests.list({ protocol: 'tcp', family: 4, states: ['open' as never] })).toThrow(/^filter.states: "open"/);
  expect(() => socketRequests.list({ protocol: 'tcp', family: 4, destination: { port: 65536 } })).toThrow(/^filter.destination.port: 65536/);
  expect(() => socketRequests.list({ protocol: 'tcp', family: 4, source: { address: ip('10.0.0.1'), prefixLength: 33 } })).toThrow(/^filter.source.prefixLength: 33/);
  expect(() => socketRequests.destroy({ ...socket, family: 4 })).toThrow(/^socket: one of family 4/);
});

it('leaves out what it does not know', () => {
  expect(decodeSocket({ type: 20, flags: 0, sequence: 1, payload: Buffer.alloc(10) }, 'tcp')).toBeUndefined();
  expect(decodeSocket({ type: 20, flags: 0, sequence: 1, payload: Buffer.alloc(72) }, 'tcp')).toBeUndefined();
});
