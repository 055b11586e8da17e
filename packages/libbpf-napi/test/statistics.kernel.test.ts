import { expect, test } from 'vitest';
import { enableStatistics, openObject } from '../src/index.ts';
import { compile } from './compile.ts';

const packet = new Uint8Array(64);

test('runs are counted while somebody wants it, and the counts stay', () => {
  using object = openObject(compile('xdp')).loadSync();
  const program = object.program('pass');
  const before = program.info;
  const statistics = enableStatistics();
  program.testRun({ data: packet, repeat: 1000 });
  const counted = program.info;
  statistics.close();
  statistics.close();
  expect(statistics.closed).toBe(true);
  expect(counted.runCount - before.runCount).toBe(1000);
  expect(counted.runTimeNs).toBeGreaterThan(before.runTimeNs);
});
