import { labelSet, numericIdentity } from '@cilium-ts/identity';
import { DEFAULT_POLICY_OPTIONS as options, createPolicyRepository, parsePolicies } from '@cilium-ts/policy-model';
import { expect, test } from 'vitest';
import { createPolicyFollower } from '../../src/compile/policy-follower.ts';

const pod = (id: number, app: string) => ({ id: numericIdentity(id), labels: labelSet([`k8s:app=${app}`, 'k8s:io.kubernetes.pod.namespace=shop', 'k8s:io.cilium.k8s.policy.cluster=default']) });
const policy = (from: string, port = '80') => parsePolicies(JSON.stringify({
  apiVersion: 'cilium.io/v2', kind: 'CiliumNetworkPolicy', metadata: { name: 'cart', namespace: 'shop' },
  spec: { endpointSelector: { matchLabels: { app: 'cart' } }, ingress: [{ fromEndpoints: [{ matchLabels: { app: from } }], toPorts: [{ ports: [{ port }] }] }] },
})).resources[0]!;
const [cart, web, other] = [pod(300, 'cart'), pod(301, 'web'), pod(302, 'other')];
const allowed = (compiled: { ingress: { byIdentity: ReadonlyMap<number, unknown> } }) => [...compiled.ingress.byIdentity.keys()];

test('a policy is the same object until it changes', () => {
  const repository = createPolicyRepository();
  repository.upsert(policy('web'));
  const follower = createPolicyFollower(repository);
  const ask = (peers = [cart, web], subjects = [cart]) => follower.follow({ options, peers, subjects })(cart.id);
  const first = ask();
  expect(allowed(first)).toEqual([301]);
  expect(ask()).toBe(first);
  expect(ask([cart, web, other])).toBe(first);
  expect(ask([cart, web], [cart, web])).toBe(first);
  repository.upsert(policy('other'));
  expect(allowed(ask())).toEqual([]);
  expect(allowed(ask([cart, web, other]))).toEqual([302]);
  expect(allowed(ask([cart, web]))).toEqual([]);
  expect(allowed(first)).toEqual([301]);
});

test('an identity whose labels change, as peer or as subject, is another one under its number', () => {
  const repository = createPolicyRepository();
  repository.upsert(policy('web'));
  const follower = createPolicyFollower(repository);
  expect(allowed(follower.follow({ options, peers: [cart, pod(301, 'other')], subjects: [cart] })(cart.id))).toEqual([]);
  expect(allowed(follower.follow({ options, peers: [cart, pod(301, 'web')], subjects: [cart] })(cart.id))).toEqual([301]);
  const policyOf = follower.follow({ options, peers: [cart, web], subjects: [pod(300, 'other')] });
  expect(policyOf(cart.id).ingress.enforced).toBe(false);
});

test('other options are other policies, for everybody at once', () => {
  const repository = createPolicyRepository();
  repository.upsert(policy('web'));
  const follower = createPolicyFollower(repository);
  const enforced = (enforcement: 'default' | 'always' | 'never') => {
    const policyOf = follower.follow({ options: { ...options, enforcement }, peers: [cart, web], subjects: [cart, web] });
    return [cart, web].map(({ id }) => policyOf(id).ingress.enforced);
  };
  expect(enforced('default')).toEqual([true, false]);
  expect(enforced('always')).toEqual([true, true]);
  expect(enforced('never')).toEqual([false, false]);
  expect(enforced('default')).toEqual([true, false]);
});
