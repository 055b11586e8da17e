import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChangeBatch, Table } from '../src/index.ts';
import { createTable } from '../src/index.ts';

interface Pod {
  readonly name: string;
  readonly node: string;
  readonly labels: readonly string[];
}
const pod = (name: string, node = 'a', ...labels: string[]): Pod => ({ name, node, labels });
const make = (): Table<Pod, 'node' | 'label'> =>
  createTable<Pod, 'node' | 'label'>({
    name: 'pods',
    key: ({ name }) => name,
    indexes: { node: ({ node }) => [node], label: ({ labels }) => labels },
    equals: (a, b) => JSON.stringify(a) === JSON.stringify(b),
  });
const names = (pods: Iterable<Pod>): string => Array.from(pods, ({ name }) => name).join();
const show = ({ revision, initial, changes }: ChangeBatch<Pod>): string => `${revision}${initial ? '!' : ''} ${changes.map(({ key, before, after }) => `${key}:${before?.node ?? '-'}>${after?.node ?? '-'}`).join(' ')}`;
const soon = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('createTable', () => {
  it('holds records by key, with a revision for each change', () => {
    const table = make();
    expect([table.revision, table.size, table.get('x')]).toEqual([0, 0, undefined]);
    expect(table.upsert(pod('x'))).toBe(true);
    expect(table.upsert(pod('x'))).toBe(false);
    expect(table.upsert(pod('y'))).toBe(true);
    expect(table.upsert(pod('x', 'b'))).toBe(true);
    expect([table.revision, table.revisionOf('x'), table.revisionOf('y'), table.revisionOf('z')]).toEqual([3, 3, 2, undefined]);
    expect([names(table.all()), [...table.keys()], table.get('x')?.node, table.has('y')]).toEqual(['x,y', ['x', 'y'], 'b', true]);
    expect([table.delete('x'), table.delete('x'), table.revision, table.size]).toEqual([true, false, 4, 1]);
  });

  it('finds records by index', () => {
    const table = make();
    table.upsert(pod('x', 'a', 'web', 'prod'));
    table.upsert(pod('y', 'a', 'web'));
    table.upsert(pod('z', 'b'));
    expect([names(table.by('node', 'a')), names(table.by('label', 'web')), names(table.by('label', 'prod'))]).toEqual(['x,y', 'x,y', 'x']);
    table.upsert(pod('x', 'b'));
    table.delete('y');
    expect([names(table.by('node', 'a')), names(table.by('node', 'b')), names(table.by('label', 'web'))]).toEqual(['', 'z,x', '']);
    expect(() => table.by('zone' as 'node', 'a')).toThrow(/table pods has no index "zone"/);
  });

  it('takes on a whole new content, touching only what differs', () => {
    const table = make();
    table.replaceAll([pod('x'), pod('y'), pod('x', 'b')]);
    expect([names(table.all()), table.get('x')?.node, table.revision]).toEqual(['x,y', 'b', 2]);
    expect(table.replaceAll([pod('y'), pod('z')])).toBe(2);
    expect([names(table.all()), table.revisionOf('y')]).toEqual(['y,z', 2]);
    expect(table.replaceAll([pod('y'), pod('z')])).toBe(0);
  });

  it('compares by identity unless told otherwise', () => {
    const table = createTable<{ id: string }>({ name: 't', key: ({ id }) => id });
    const record = { id: '1' };
    expect([table.upsert(record), table.upsert(record), table.upsert({ id: '1' })]).toEqual([true, false, true]);
  });
});

describe('changes', () => {
  it('begin with what is there, and merge what comes before it is read', async () => {
    const table = make();
    table.upsert(pod('x'));
    table.upsert(pod('y'));
    const abort = new AbortController();
    const iterator = table.changes({ signal: abort.signal })[Symbol.asyncIterator]();
    const read = async (): Promise<string> => show((await iterator.next()).value as ChangeBatch<Pod>);
    expect(await read()).toBe('2! x:->a y:->a');
    table.upsert(pod('x', 'b'));
    table.upsert(pod('x', 'c'));
    table.upsert(pod('new'));
    table.delete('new');
    table.delete('y');
    expect(await read()).toBe('7 x:a>c y:a>-');
    table.upsert(pod('new'));
    table.delete('new');
    expect(await read()).toBe('9 ');
    const next = read();
    await soon();
    table.upsert(pod('z'));
    table.upsert(pod('y', 'd'));
    expect(await next).toBe('11 z:->a y:->d');
    const end = iterator.next();
    await soon();
    abort.abort();
    expect(await end).toEqual({ done: true, value: undefined });
  });

  it('have an empty first batch where nothing is there, and none where it is not asked for', async () => {
    const table = make();
    for await (const batch of table.changes()) {
      expect(show(batch)).toBe('0! ');
      break;
    }
    table.upsert(pod('x'));
    const iterator = table.changes({ initial: false })[Symbol.asyncIterator]();
    const first = iterator.next();
    table.upsert(pod('y'));
    expect(show((await first).value as ChangeBatch<Pod>)).toBe('2 y:->a');
    await iterator.return?.();
  });

  it('end at once with a signal that has aborted', async () => {
    const seen: unknown[] = [];
    for await (const batch of make().changes({ signal: AbortSignal.abort() })) seen.push(batch);
    expect(seen).toEqual([]);
  });

  it('leave no listener behind on the signal', async () => {
    const table = make();
    const { signal } = new AbortController();
    let listeners = 0;
    signal.addEventListener = ((add) => (...args: Parameters<typeof add>) => { listeners++; add.apply(signal, args); })(signal.addEventListener);
    signal.removeEventListener = ((remove) => (...args: Parameters<typeof remove>) => { listeners--; remove.apply(signal, args); })(signal.removeEventListener);
    let batches = 0;
    for await (const batch of table.changes({ signal })) {
      expect(batch.changes).toHaveLength(batches === 0 ? 0 : 1);
      expect(listeners).toBe(0);
      if (++batches > 5) break;
      setImmediate(() => table.upsert(pod(`${batches}`)));
    }
  });

  it('lead any reader, however slow, to the table as it is', async () => {
    const step = fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd'), node: fc.constantFrom('1', '2', ''), read: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const table = make();
        const iterator = table.changes()[Symbol.asyncIterator]();
        const copy = new Map<string, Pod>();
        let seen = -1;
        const read = async (): Promise<void> => {
          const batch = (await iterator.next()).value as ChangeBatch<Pod>;
          expect(batch.initial).toBe(seen === -1);
          expect(batch.revision).toBeGreaterThan(seen);
          seen = batch.revision;
          for (const { key, before, after } of batch.changes) {
            expect(copy.get(key)).toEqual(before);
            expect(before ?? after).toBeDefined();
            if (after === undefined) copy.delete(key);
            else copy.set(key, after);
          }
        };
        await read();
        for (const each of steps) {
          if (each.node === '') table.delete(each.key);
          else table.upsert(pod(each.key, each.node, each.key));
          if (each.read && !sameContent()) await read();
        }
        if (!sameContent()) await read();
        expect(sameContent()).toBe(true);
        for (const node of ['1', '2']) expect(names(table.by('node', node)).split(',').sort()).toEqual(names([...copy.values()].filter((each) => each.node === node)).split(',').sort());
        await iterator.return?.();

        function sameContent(): boolean {
          const write = (pods: Iterable<Pod>): string => Array.from(pods, (each) => JSON.stringify(each)).sort().join();
          return write(table.all()) === write(copy.values());
        }
      }),
      { numRuns: 300 },
    );
  });
});
