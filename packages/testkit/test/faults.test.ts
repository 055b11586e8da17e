import { memoryMap } from '@cilium-ts/bpf-maps';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { failAfter, faultyMap, readDataFiles } from '../src/index.ts';

describe('faultyMap', () => {
  it('fails from the given write on, and reads all the same', () => {
    const map = faultyMap(memoryMap({ type: 'hash', keySize: 1, valueSize: 1, maxEntries: 4 }), failAfter(1, 'E2BIG'));
    map.update(Uint8Array.of(1), Uint8Array.of(2));
    expect(() => map.delete(Uint8Array.of(1))).toThrow(expect.objectContaining({ code: 'E2BIG' }));
    expect(map.lookup(Uint8Array.of(1))).toEqual(Uint8Array.of(2));
  });
});

describe('readDataFiles', () => {
  const withFile = <T>(text: string, use: (folder: string) => T): T => {
    const folder = mkdtempSync(join(tmpdir(), 'ct-data-'));
    try {
      writeFileSync(join(folder, 'a.yaml'), text);
      return use(folder);
    } finally {
      rmSync(folder, { recursive: true });
    }
  };

  it('reads cases in order', () => {
    expect(withFile('name: one\nvalue: 1\n---\nname: two\n', readDataFiles).map(({ title }) => title)).toEqual(['a.yaml: one', 'a.yaml: two']);
  });

  it.each([
    ['a case without name', 'value: 1\n', /needs a name/],
    ['two cases of one name', 'name: a\n---\nname: a\n', /two cases/],
    ['malformed YAML', 'name: [', /a\.yaml/],
  ])('refuses %s', (_, text, message) => expect(() => withFile(text, readDataFiles)).toThrow(message));
});
