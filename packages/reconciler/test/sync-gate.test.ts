import { describe, expect, it } from 'vitest';
import { createSyncGate, systemScheduler } from '../src/index.ts';

describe('createSyncGate', () => {
  it('opens when the last source is done, once and for all', async () => {
    const gate = createSyncGate(['files', 'api']);
    expect([gate.open, gate.pending]).toEqual([false, ['files', 'api']]);
    let waited = false;
    const wait = gate.wait().then(() => (waited = true));
    const more = gate.register('restore');
    gate.done('files');
    gate.done('api');
    await Promise.resolve();
    expect([gate.open, gate.pending, waited]).toEqual([false, ['restore'], false]);
    more();
    more();
    await wait;
    await gate.wait();
    expect([gate.open, waited]).toEqual([true, true]);
    expect(() => gate.register('late')).toThrow(/after the gate has opened/);
  });

  it('is open without sources', async () => {
    const gate = createSyncGate();
    expect(gate.open).toBe(true);
    await gate.wait();
    const done = gate.register('first');
    expect(gate.open).toBe(false);
    done();
    expect(gate.open).toBe(true);
  });

  it('can be waited for in vain', async () => {
    const gate = createSyncGate(['files']);
    const abort = new AbortController();
    const wait = gate.wait({ signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(wait).rejects.toThrow('enough');
    await expect(gate.wait({ signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before');
  });

  it('knows its sources', () => {
    const gate = createSyncGate(['files']);
    expect(() => gate.register('files')).toThrow(/registered already/);
    expect(() => gate.done('other')).toThrow(/never registered/);
  });
});

describe('systemScheduler', () => {
  it('sleeps until the time or the signal', async () => {
    const { signal } = new AbortController();
    const before = systemScheduler.now();
    await systemScheduler.sleep(5, signal);
    expect(systemScheduler.now() - before).toBeGreaterThanOrEqual(3);
    const abort = new AbortController();
    const long = systemScheduler.sleep(Number.POSITIVE_INFINITY, abort.signal);
    abort.abort();
    await long;
    await systemScheduler.sleep(60_000, AbortSignal.abort());
    expect(systemScheduler.now() - before).toBeLessThan(30_000);
  });
});
