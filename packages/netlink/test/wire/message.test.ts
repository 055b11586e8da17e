import fc from 'fast-check';
import { expect, it } from 'vitest';

import { PayloadWriter } from '../../src/wire/attributes.ts';
import { Control, Flag, decodeAcknowledgement, decodeMessages, encodeMessage } from '../../src/wire/message.ts';

const request = { operation: 'test', type: 16, flags: Flag.CREATE, payload: Uint8Array.of(1, 2, 3, 4, 5) };

it('frames requests so that several fit into one datagram', () => {
  const datagram = Buffer.concat([encodeMessage(request, Flag.ACK, 7), encodeMessage(request, 0, 8)]);
  expect(decodeMessages(datagram).map(({ type, flags, sequence, payload }) => [type, flags, sequence, [...payload]])).toEqual([
    [16, Flag.CREATE | Flag.ACK | Flag.REQUEST, 7, [1, 2, 3, 4, 5]],
    [16, Flag.CREATE | Flag.REQUEST, 8, [1, 2, 3, 4, 5]],
  ]);
});

it('reads any bytes without throwing', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    for (const message of decodeMessages(Buffer.from(bytes))) decodeAcknowledgement(message);
  }));
});

it('reads errors with the kernel\'s explanation, whether the request is quoted or not', () => {
  const tlvs = new PayloadWriter(Buffer.alloc(0)).string(1, 'the reason').u32(2, 36).u32(5, 3).finish();
  const error = Buffer.alloc(4);
  error.writeInt32LE(-22);
  const quoted = encodeMessage(request, 0, 7);
  const read = (flags: number, ...parts: Buffer[]) => decodeAcknowledgement({ type: Control.ERROR, flags, sequence: 7, payload: Buffer.concat([error, ...parts]) });
  const whole = { errno: 22, extendedAck: 'the reason', attributeOffset: 36, missingAttribute: 3 };
  expect(read(Flag.ACK_TLVS | Flag.CAPPED, quoted.subarray(0, 16), tlvs)).toEqual(whole);
  expect(read(Flag.ACK_TLVS, quoted, tlvs)).toEqual(whole);
  expect(read(Flag.CAPPED, quoted.subarray(0, 16))).toEqual({ errno: 22, extendedAck: undefined, attributeOffset: undefined, missingAttribute: undefined });
  expect(decodeAcknowledgement({ type: Control.DONE, flags: Flag.ACK_TLVS, sequence: 7, payload: Buffer.concat([error, tlvs]) })).toEqual(whole);
});
