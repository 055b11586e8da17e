import { mkdtemp, rm, writeFile, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load-config.ts';

let folder: string;
beforeEach(async () => { folder = await mkdtemp(join(tmpdir(), 'config-')); });
afterEach(() => rm(folder, { recursive: true }));

const load = (flags: [string, string][] = [], environment: Record<string, string> = {}, configDir?: string) => loadConfig({ flags, environment, configDir });

describe('loadConfig', () => {
  it('has defaults for everything that needs one', () => {
    const { values, sources, warnings } = load();
    expect(values).toMatchObject({ 'enable-policy': 'default', 'enable-ipv6': true, 'bpf-ct-timeout-regular-tcp': 8000, 'ipv4-range': '10.244.0.0/16' });
    expect(values['policy-dir']).toBeUndefined();
    expect(sources['mtu']).toBe('default');
    expect(warnings).toEqual([]);
  });

  it('prefers flags to environment to folder to defaults, and says which it was', async () => {
    for (const key of ['mtu', 'debug', 'cluster-name']) await writeFile(join(folder, key), key === 'mtu' ? '1400\n' : key === 'debug' ? 'true' : 'east');
    const { values, sources } = load([['mtu', '1300']], { CILIUM_MTU: '1350', CILIUM_DEBUG: 'false' }, folder);
    expect(values).toMatchObject({ mtu: 1300, debug: false, 'cluster-name': 'east' });
    expect(sources).toMatchObject({ mtu: 'flag --mtu', debug: 'environment CILIUM_DEBUG', 'cluster-name': join(folder, 'cluster-name') });
  });

  it('takes an alias for its key', () => {
    expect(load([['static-cnp-path', '/p']]).values['policy-dir']).toBe('/p');
    expect(() => load([['static-cnp-path', '/p'], ['policy-dir', '/q']])).toThrow(/policy-dir is given twice/);
  });

  it('leaves hidden entries of a mounted ConfigMap alone', async () => {
    await mkdir(join(folder, '..data'));
    await writeFile(join(folder, 'mtu'), '1400');
    expect(load([], {}, folder).values.mtu).toBe(1400);
  });

  it.each([
    ['an unknown flag', [['enable-turbo', 'true']], {}, /flag --enable-turbo: there is no setting "enable-turbo"/],
    ['a value of the wrong kind', [['enable-ipv4', 'maybe']], {}, /flag --enable-ipv4: enable-ipv4 is "maybe"/],
    ['a number out of range', [['mtu', '100']], {}, /mtu is "100", but has to be a number from 1280 to 65520/],
    ['a prefix of the other family', [['ipv4-range', 'fd00::/64']], {}, /IPv4 prefix/],
    ['a duration without unit', [['bpf-ct-timeout-regular-any', '60']], {}, /a duration such as 60s/],
    ['no family at all', [['enable-ipv4', 'false'], ['enable-ipv6', 'false']], {}, /endpoints need one/],
    ['a ring that is no power of two', [['bpf-events-size', '5000']], {}, /power of two/],
    ['a word that is none of those allowed', [['bpf-lb-algorithm', 'maglv']], {}, /bpf-lb-algorithm is "maglv", but has to be one of random, maglev$/],
    ['a bad value in the environment', [], { CILIUM_ENABLE_POLICY: 'often' }, /environment CILIUM_ENABLE_POLICY: enable-policy is "often"/],
  ] as [string, [string, string][], Record<string, string>, RegExp][])('refuses %s, naming its place', (_, flags, environment, message) => {
    expect(() => load(flags, environment)).toThrow(message);
  });

  it('names the file and key of an unknown setting in the folder', async () => {
    await writeFile(join(folder, 'mtv'), '1');
    expect(() => load([], {}, folder)).toThrow(`${join(folder, 'mtv')}: there is no setting "mtv"`);
  });

  it('names a folder that is missing', () => {
    expect(() => load([], {}, '/does/not/exist')).toThrow(/the folder \/does\/not\/exist can not be read; make it, or leave out --config-dir/);
  });

  it('only warns of foreign variables, which Kubernetes makes of service names', () => {
    expect(load([], { CILIUM_AGENT_SERVICE_HOST: '10.0.0.1' }).warnings).toEqual([expect.stringContaining('CILIUM_AGENT_SERVICE_HOST')]);
  });
});
