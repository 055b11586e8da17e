import { describe, expect, it } from 'vitest';
import { RESERVED, createReservedIdentities, identityRange, identityScope, labelSet, numericIdentity, parseFixedIdentityMapping, parseNumericIdentity, reservedIdentities, scopeForLabels, worldIdentity, worldLabel } from '../src/index.ts';

const dual = { ipv4: true, ipv6: true };
const only4 = { ipv4: true, ipv6: false };
const only6 = { ipv4: false, ipv6: true };

describe('numbers', () => {
  it.each([
    [0, 'reserved'],
    [255, 'reserved'],
    [256, 'global'],
    [65_535, 'global'],
    [0x00ff_ffff, 'global'],
    [0x0100_0001, 'local'],
    [0x01ff_ffff, 'local'],
    [0x0200_0001, 'remote-node'],
  ])('%i is %s', (id, scope) => expect(identityScope(id)).toBe(scope));

  it('have ranges', () => {
    expect(identityRange('global')).toEqual({ first: 256, last: 65_535 });
    expect(identityRange('global', 3)).toEqual({ first: 196_608, last: 262_143 });
    expect(identityRange('local')).toEqual({ first: 16_777_217, last: 33_554_431 });
    expect(identityRange('remote-node')).toEqual({ first: 33_554_433, last: 50_331_647 });
    expect(() => identityRange('global', 256)).toThrow(RangeError);
  });

  it('are checked', () => {
    expect(parseNumericIdentity('0')).toBe(0);
    expect(parseNumericIdentity('4294967295')).toBe(0xffff_ffff);
    for (const text of ['', '01', '-1', '1.5', '4294967296', 'x', '1e3']) expect(parseNumericIdentity(text), text).toBeUndefined();
    for (const value of [-1, 1.5, 2 ** 32, Number.NaN]) expect(() => numericIdentity(value)).toThrow(RangeError);
  });

  it.each([
    [['cidr:10.0.0.0/8', 'reserved:world'], 'local'],
    [['fqdn:example.com', 'reserved:world-ipv4'], 'local'],
    [['cidrgroup:x', 'cidr:10.0.0.0/8'], 'local'],
    [['reserved:ingress', 'k8s:app=x'], 'local'],
    [['reserved:remote-node', 'cidr:10.0.0.0/8'], 'remote-node'],
    [['k8s:app=x'], 'global'],
    [['k8s:app=x', 'cidr:10.0.0.0/8'], 'global'],
    [['k8s:ingress', 'k8s:remote-node'], 'global'],
    [[], 'global'],
  ])('%j gets a %s number', (labels, scope) => expect(scopeForLabels(labelSet(labels))).toBe(scope));
});

describe('reserved identities', () => {
  const list = (families: typeof dual): string[] => reservedIdentities(families).map(({ id, labels }) => `${id} ${labels.toStrings().join()}`);

  it('have one world per family where there are two', () => {
    const common = ['1 reserved:host', '3 reserved:unmanaged', '4 reserved:health', '5 reserved:init', '6 reserved:remote-node', '7 reserved:kube-apiserver,reserved:remote-node', '8 reserved:ingress'];
    expect(list(dual)).toEqual([...common, '9 reserved:world-ipv4', '10 reserved:world-ipv6']);
    expect(list(only4)).toEqual([common[0], '2 reserved:world', ...common.slice(1)]);
    expect(list(only6)).toEqual(list(only4));
  });

  it('call the world by the family', () => {
    expect([worldIdentity(4, dual), worldIdentity(6, dual)]).toEqual([9, 10]);
    expect([worldIdentity(4, only4), worldIdentity(6, only6)]).toEqual([2, 2]);
    expect([worldIdentity(6, only4), worldIdentity(4, only6)]).toEqual([10, 9]);
    expect(worldLabel(4, dual).key).toBe('world-ipv4');
    expect(worldLabel(4, only4).key).toBe('world');
    expect(worldLabel(6, only4).key).toBe('world-ipv6');
  });

  it.each([
    [['reserved:host'], 1],
    [['reserved:host', 'k8s:x=y'], 1],
    [['reserved:remote-node'], 6],
    [['reserved:remote-node', 'reserved:kube-apiserver'], 7],
    [['reserved:init'], 5],
    [['reserved:health'], 4],
    [['reserved:world-ipv4'], 9],
    [['reserved:world'], 2],
    [['reserved:health', 'k8s:x=y'], undefined],
    [['reserved:health=x'], undefined],
    [['k8s:host'], undefined],
    [['k8s:health'], undefined],
    [['reserved:unknown'], undefined],
    [['reserved:nothing'], undefined],
    [['reserved:kv-store'], undefined],
    [['k8s:io.cilium.fixed-identity=kv-store', 'k8s:x=y'], 128],
    [['k8s:io.cilium.fixed-identity=other', 'reserved:host'], undefined],
    [['k8s:io.cilium.fixed-identity=host'], undefined],
    [[], undefined],
  ])('%j calls for %s', (labels, id) => {
    const reserved = createReservedIdentities(dual, { fixed: parseFixedIdentityMapping(['128=kv-store']) });
    expect(reserved.byLabels(labelSet(labels))?.id).toBe(id);
  });

  it('are found by number', () => {
    const reserved = createReservedIdentities(only4, { fixed: parseFixedIdentityMapping(['255=a']) });
    expect(reserved.get(RESERVED.worldIpv6)?.labels.text).toBe('reserved:world-ipv6=;');
    expect(reserved.get(255)?.labels.text).toBe('reserved:a=;');
    expect(reserved.get(200)).toBeUndefined();
    expect(reserved.all().map(({ id }) => id)).toContain(255);
  });
});

describe('parseFixedIdentityMapping', () => {
  it('reads items', () => {
    expect([...parseFixedIdentityMapping(['128=kv-store', '200=a=b'])]).toEqual([
      [128, 'kv-store'],
      [200, 'a=b'],
    ]);
  });

  it.each([
    [['127=x'], /must be 128–255/],
    [['256=x'], /must be 128–255/],
    [['x'], /number=name/],
    [['128='], /number=name/],
    [['=x'], /number=name/],
    [['128=a', '128=b'], /the number is a already/],
    [['128=a', '129=a'], /has a number already/],
  ])('refuses %j', (items, message) => {
    expect(() => parseFixedIdentityMapping(items)).toThrow(expect.objectContaining({ code: 'bad-fixed-identity', message: expect.stringMatching(message) as string }) as Error);
  });
});
