import { expect, test } from 'vitest';
import { summarizeLog } from '../src/log-summary.ts';

const verifier = (...lines: string[]): string =>
  ["libbpf: prog 'p': BPF program load failed: Permission denied", "libbpf: prog 'p': -- BEGIN PROG LOAD LOG --", ...lines, 'processed 3 insns (limit 1000000) max_states_per_insn 0', '-- END PROG LOAD LOG --', "libbpf: prog 'p': failed to load: -13"].join('\n');

test('the verifier’s last words and the program they are about', () => {
  expect(summarizeLog(verifier('0: R1=ctx R10=fp0', '; return x;', '0: (61) r0 = *(u32 *)(r1 +0)', 'invalid access to packet, off=0 size=4', 'R1 offset is outside of the packet')))
    .toBe("verifier on program 'p': invalid access to packet, off=0 size=4; R1 offset is outside of the packet");
});

test('a log that ends in an instruction', () => {
  expect(summarizeLog(verifier('0: (95) exit'))).toBe("verifier on program 'p': 0: (95) exit");
  expect(summarizeLog(verifier())).toBe("verifier on program 'p': no reason given");
});

test('without a verifier, the first message of libbpf', () => {
  expect(summarizeLog('libbpf: failed to open x\nlibbpf: more\n')).toBe('failed to open x');
  expect(summarizeLog('')).toBeUndefined();
  expect(summarizeLog(undefined)).toBeUndefined();
});
