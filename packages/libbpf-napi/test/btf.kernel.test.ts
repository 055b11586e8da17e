import { describe, expect, test } from 'vitest';
import { Btf } from '../src/index.ts';
import { compile } from './compile.ts';

describe('the kernel', () => {
  test('describes its types', () => {
    const btf = Btf.kernel();
    const struct = btf.find('__sk_buff', 'struct');
    expect(struct).toMatchObject({ kind: 'struct', size: expect.any(Number) as number });
    if (struct?.kind !== 'struct') throw new Error('unreachable');
    expect(struct.members.find((m) => m.name === 'mark')).toMatchObject({ offsetBits: 64 });
    const command = btf.find('bpf_cmd', 'enum');
    expect(command?.kind === 'enum' && command.values.find((v) => v.name === 'BPF_PROG_LOAD')?.value).toBe(5n);
    expect(btf.sizeOf(btf.find('list_head', 'struct')?.id ?? 0)).toBe(16);
  });

  test('and an object its own', () => {
    expect(Btf.fromObject(compile('maps')).mapDefinition('table')).toMatchObject({ keySize: 4, valueSize: 16 });
  });
});
