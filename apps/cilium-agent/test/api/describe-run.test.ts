import { expect, test } from 'vitest';
import { describeRun } from '../../src/api/describe-run.ts';

test.each([
  ['everything', [0, 0, 255, 65_535], ['ANY any']],
  ['one port', [6, 80, 6, 80], ['TCP 80']],
  ['a whole protocol', [17, 0, 17, 65_535], ['UDP any']],
  ['up to a port', [0, 0, 6, 79], ['0-5 any', 'TCP 0-79']],
  ['from a port on', [6, 81, 255, 65_535], ['TCP 81-65535', '7-255 any']],
  ['from one protocol into the next', [6, 81, 7, 5], ['TCP 81-65535', '7 0-5']],
  ['across one whole protocol', [16, 9, 18, 8], ['16 9-65535', 'UDP any', '18 0-8']],
])('%s', (_, [protocol, fromPort, toProtocol, toPort], expected) => {
  const parts = describeRun({ protocol: protocol!, fromPort: fromPort!, toProtocol: toProtocol!, toPort: toPort! });
  expect(parts.map((part) => `${part.protocol} ${part.ports}`)).toEqual(expected);
});
