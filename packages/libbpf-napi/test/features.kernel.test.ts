import { release } from 'node:os';
import { execFileSync } from 'node:child_process';
import { describe, expect, onTestFinished, test } from 'vitest';
import { features, libbpfVersion, membarrierGlobal, possibleCpus, probe } from '../src/index.ts';
import { folder, inChild } from './sandbox.ts';
import { compile } from './compile.ts';

describe('probes', () => {
  test('know what every supported kernel has', () => {
    const { programs, maps } = features();
    expect(features()).toBe(features());
    expect(programs).toMatchObject({ sched_cls: true, xdp: true, socket_filter: true });
    expect(maps).toMatchObject({ hash: true, lru_hash: true, lpm_trie: true, ringbuf: true, percpu_array: true });
    expect(probe({ kind: 'helper', helper: 'redirect_peer', programType: 'sched_cls' }).supported).toBe(true);
  });

  test('say what would provide what is missing', () => {
    const missing = probe({ kind: 'helper', helper: 'redirect_peer', programType: 'xdp' });
    expect(missing).toMatchObject({ supported: false, since: '5.10', reason: expect.stringContaining('bpf_redirect_peer in programs of type xdp, which came with Linux 5.10') as string });
    expect(() => probe({ kind: 'program', type: 'type_999' })).toThrow(expect.objectContaining({ code: 'NOT_SUPPORTED' }));
    expect(() => probe({ kind: 'map', type: 'type_999' })).toThrow(expect.objectContaining({ code: 'NOT_SUPPORTED' }));
    expect(() => probe({ kind: 'map', type: 'nonsense' as never })).toThrow(TypeError);
    expect(() => probe({ kind: 'helper', helper: 'nonsense' as never, programType: 'xdp' })).toThrow(TypeError);
    expect(() => probe({ kind: 'nonsense' } as never)).toThrow(/feature.kind/);
  });

  test('find tcx exactly where the kernel has it', () => {
    const [major = 0, minor = 0] = release().split('.').map(Number);
    const result = probe({ kind: 'tcx' });
    expect(result.supported).toBe(major > 6 || (major === 6 && minor >= 6));
    expect(result.supported || result.reason.includes('Linux 6.6')).toBe(true);
  });
});

describe('the rest', () => {
  test('a grace period', async () => {
    await expect(membarrierGlobal()).resolves.toBeUndefined();
    await Promise.all(Array.from({ length: 8 }, () => membarrierGlobal()));
  });

  test('versions and CPUs', () => {
    expect(libbpfVersion()).toMatch(/^1\.\d+/);
    expect(possibleCpus()).toBeGreaterThanOrEqual(1);
  });

  test('without privileges, errors say what is needed', () => {
    const user = folder(onTestFinished);
    execFileSync('cp', [compile('maps'), `${user}/maps.o`]);
    execFileSync('chmod', ['-R', 'a+rX', user]);
    const result = inChild(['setpriv', '--bounding-set=-all', '--inh-caps=-all'], (bpf, path) => {
      const message = (f: () => unknown): string => {
        try {
          return String(f());
        } catch (error) {
          return (error as Error).message;
        }
      };
      return [
        message(() => bpf.createMap({ type: 'lpm_trie', name: 'm', keySize: 8, valueSize: 4, maxEntries: 4 })),
        message(() => bpf.openObject(path).loadSync()),
        message(() => bpf.openMapById(1)),
        message(() => bpf.ensureBpffs('/proc/self')),
      ];
    }, `${user}/maps.o`);
    for (const text of result) expect(text).toContain('not permitted: needs root, or CAP_BPF + CAP_NET_ADMIN');
  });
});
