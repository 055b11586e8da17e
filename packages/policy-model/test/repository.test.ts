import { expect, test } from 'vitest';
import type { RepositoryChange } from '../src/index.ts';
import { DEFAULT_POLICY_OPTIONS, createPolicyRepository, parsePolicies } from '../src/index.ts';
import { ccnp, cnp, networkPolicy } from './helpers/policies.ts';

const resource = (text: string) => parsePolicies(text).resources[0]!;
const one = resource(cnp({ endpointSelector: {}, ingress: [{}] }, { name: 'one', namespace: 'shop' }));
const two = resource(ccnp({ endpointSelector: {}, ingress: [{}] }, 'two'));

test('resources are kept by key, under a revision that every change bumps', () => {
  const repository = createPolicyRepository();
  expect([repository.revision, repository.all()]).toEqual([1, []]);
  expect(repository.upsert(one)).toBe(2);
  expect(repository.upsert(two)).toBe(3);
  expect(repository.all().map(({ key }) => key)).toEqual(['CiliumClusterwideNetworkPolicy//two', 'CiliumNetworkPolicy/shop/one']);
  const replacement = resource(cnp({ endpointSelector: {}, egress: [{}] }, { name: 'one', namespace: 'shop' }));
  expect(repository.upsert(replacement)).toBe(4);
  expect(repository.get('CiliumNetworkPolicy/shop/one')).toBe(replacement);
  expect(repository.remove('CiliumNetworkPolicy/shop/one')).toBe(true);
  expect(repository.revision).toBe(5);
  expect(repository.remove('CiliumNetworkPolicy/shop/one')).toBe(false);
  expect(repository.revision).toBe(5);
  expect(repository.replaceAll([one])).toBe(6);
  expect(repository.all()).toEqual([one]);
  expect(repository.get('CiliumClusterwideNetworkPolicy//two')).toBeUndefined();
});

test('prefixes are those of all rules, exceptions included, once, without whole families', () => {
  const repository = createPolicyRepository();
  const texts = [
    cnp({ endpointSelector: {}, egress: [{ toCIDR: ['10.1.2.3', '0.0.0.0/0', '::/0'] }], egressDeny: [{ toCIDRSet: [{ cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] }] }] }),
    networkPolicy({ podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: '2001:db8::/32', except: ['2001:db8:1::/48'] } }, { ipBlock: { cidr: '10.0.0.0/8' } }] }] }),
  ];
  repository.replaceAll(texts.map(resource));
  expect(repository.prefixes().map(({ text }) => text)).toEqual(['10.0.0.0/8', '10.1.0.0/16', '10.1.2.3/32', '2001:db8::/32', '2001:db8:1::/48']);
});

test('there is one compiler for equal options', () => {
  const repository = createPolicyRepository();
  expect(repository.compiler({ ...DEFAULT_POLICY_OPTIONS })).toBe(repository.compiler({ ...DEFAULT_POLICY_OPTIONS, auditMode: true }));
  expect(repository.compiler(DEFAULT_POLICY_OPTIONS)).not.toBe(repository.compiler({ ...DEFAULT_POLICY_OPTIONS, allowLocalhost: true }));
});

test('tells of every change which resources are others now', () => {
  const repository = createPolicyRepository();
  const changes: RepositoryChange[] = [];
  const stop = repository.subscribe((change) => changes.push(change));
  const [a, b] = ['a', 'b'].map((name) => parsePolicies(cnp({ endpointSelector: {}, ingress: [{}] }, { name, namespace: 'shop' })).resources[0]!);
  repository.upsert(a!);
  repository.replaceAll([a!, b!]);
  repository.replaceAll([{ ...a! }]);
  repository.remove('none');
  repository.remove(a!.key);
  expect(changes).toEqual([
    { revision: 2, changed: [a!.key] },
    { revision: 3, changed: [b!.key] },
    { revision: 4, changed: [b!.key, a!.key] },
    { revision: 5, changed: [a!.key] },
  ]);
  stop();
  repository.upsert(b!);
  expect(changes).toHaveLength(4);
});
