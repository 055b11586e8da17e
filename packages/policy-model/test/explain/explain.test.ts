import { describe, expect, test } from 'vitest';
import type { ExplainRequest } from '../../src/index.ts';
import { DEFAULT_POLICY_OPTIONS, MATCH_TYPE, createPolicyRepository, describePacket, explain, explanationJson, parsePolicies } from '../../src/index.ts';
import { identity, outside, reserved } from '../helpers/identities.ts';

const TEXT = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: cart, namespace: shop }
spec:
  endpointSelector:
    matchLabels: { app: cart }
  ingress:
    - fromEndpoints:
        - matchLabels: { app: web }
      toPorts:
        - ports:
            - { port: "80", protocol: TCP }
            - { port: "8080", endPort: 8089, protocol: TCP }
    - fromEntities: [host]
    - fromCIDRSet:
        - cidr: 198.51.100.0/24
          except: [198.51.100.128/25]
      icmps:
        - fields: [{ type: EchoRequest }]
    - {}
  ingressDeny:
    - fromEndpoints:
        - matchLabels: { app: web, stage: test }
`;
const repository = createPolicyRepository();
repository.replaceAll(parsePolicies(TEXT, { file: 'cart.yaml' }).resources);

const pod = (id: number, ...labels: string[]) =>
  identity(id, [...labels.map((label) => `k8s:${label}`), 'k8s:io.kubernetes.pod.namespace=shop', 'k8s:io.cilium.k8s.policy.cluster=default']);
const web = pod(300, 'app=web');
const cart = pod(301, 'app=cart');
const test1 = pod(302, 'app=web', 'stage=test');

const ask = (request: Partial<ExplainRequest>) => explain({ repository, from: web, to: cart, protocol: 6, port: 80, options: DEFAULT_POLICY_OPTIONS, ...request });

describe('the deciding rule', () => {
  test('of a permission, with the port that matched', () => {
    const { verdict, ingress, egress } = ask({});
    expect(verdict).toBe('allowed');
    expect(egress).toEqual({ direction: 'egress', verdict: 'allowed', action: 'allow', match: MATCH_TYPE.all, enforced: false, reason: 'no-rules', log: [], candidates: [] });
    expect(ingress).toMatchObject({ verdict: 'allowed', match: MATCH_TYPE.l3L4, enforced: true, reason: 'allowed-by-rule' });
    expect(ingress.deciding).toEqual({
      resource: 'CiliumNetworkPolicy/shop/cart',
      action: 'allow',
      entry: 'spec.ingress[0]',
      index: 0,
      tier: 'normal',
      file: 'cart.yaml',
      line: 12,
      column: 15,
      field: 'spec.ingress[0].toPorts[0].ports[0]',
    });
    expect(ask({ port: 8085 }).ingress.deciding).toMatchObject({ line: 13, field: 'spec.ingress[0].toPorts[0].ports[1]' });
  });

  test('of a permission without ports, with the peer that matched', () => {
    const { ingress } = ask({ from: reserved('host'), protocol: 47 });
    expect(ingress.deciding).toMatchObject({ line: 14, field: 'spec.ingress[1].fromEntities[0]', entry: 'spec.ingress[1]' });
  });

  test('of a denial', () => {
    const { verdict, ingress } = ask({ from: test1 });
    expect(verdict).toBe('denied');
    expect(ingress).toMatchObject({ reason: 'denied-by-rule', action: 'deny' });
    expect(ingress.deciding).toMatchObject({ action: 'deny', line: 23, field: 'spec.ingressDeny[0].fromEndpoints[0]' });
  });

  test('is absent where nothing allows it', () => {
    const { verdict, ingress } = ask({ port: 81 });
    expect([verdict, ingress.reason, ingress.action, ingress.deciding]).toEqual(['denied', 'default-deny', 'deny-default', undefined]);
  });

  test('does not depend on the order in which policies came', () => {
    const texts = ['a', 'b', 'c'].map((name) => TEXT.replace('name: cart', `name: ${name}`));
    const deciding = (order: string[]) => {
      const shuffled = createPolicyRepository();
      for (const text of order) shuffled.upsert(parsePolicies(text).resources[0]!);
      return ask({ repository: shuffled }).ingress.deciding!.resource;
    };
    expect(deciding(texts)).toBe('CiliumNetworkPolicy/shop/a');
    expect(deciding([...texts].reverse())).toBe('CiliumNetworkPolicy/shop/a');
  });
});

describe('candidates', () => {
  test('are all rules that select the endpoint, the deciding one first, each with what did not match', () => {
    expect(ask({}).ingress.candidates.map(({ rule, outcome, detail }) => [rule.entry, outcome, detail])).toEqual([
      ['spec.ingress[0]', 'matched', 'labels app=web in shop; TCP port 80'],
      ['spec.ingress[1]', 'peer', 'the peer is not of the entity host'],
      ['spec.ingress[2]', 'peer', 'the peer has no address label in 198.51.100.0/24; pods and nodes never have'],
      ['spec.ingress[3]', 'nobody', 'the rule names neither peers nor ports'],
      ['spec.ingressDeny[0]', 'peer', 'needs stage=test; the peer has no such label'],
    ]);
  });

  test('say which port or exception was in the way', () => {
    const outcomes = (request: Partial<ExplainRequest>) => ask(request).ingress.candidates.map(({ rule, detail }) => [rule.entry, detail]);
    expect(outcomes({ port: 81 })).toContainEqual(['spec.ingress[0]', '81/TCP is not among its ports']);
    const half = outside('198.51.100.128/25', ['198.51.100.0/24']);
    expect(outcomes({ from: half, protocol: 1, icmpType: 8 })).toContainEqual(['spec.ingress[2]', 'the peer is in the exception 198.51.100.128/25']);
    expect(outcomes({ from: outside('198.51.100.0/24'), protocol: 1, icmpType: 0 })).toContainEqual(['spec.ingress[2]', 'ICMP type 0 is not among its ports']);
    expect(outcomes({ from: pod(303, 'app=db') })).toContainEqual(['spec.ingress[0]', 'needs app=web; the peer has k8s:app=db']);
  });
});

describe('sides without policy', () => {
  test.each([['host'], ['world-ipv4'], ['unmanaged'], ['remote-node'], ['ingress']])('%s', (name) => {
    expect(ask({ from: reserved(name) }).egress).toMatchObject({ reason: 'no-endpoint', verdict: 'allowed', enforced: false });
    expect(ask({ to: reserved(name), options: { ...DEFAULT_POLICY_OPTIONS, enforcement: 'always' } }).ingress.reason).toBe('no-endpoint');
  });

  test('addresses outside', () => {
    expect(ask({ from: cart, to: outside('198.51.100.0/24') }).ingress.reason).toBe('no-endpoint');
  });

  test('both sides count', () => {
    const closing = createPolicyRepository();
    closing.replaceAll(parsePolicies(TEXT.replace('app: cart', 'app: web').replace('ingressDeny', 'egressDeny').replace('fromEndpoints:\n        - matchLabels: { app: web, stage: test }', 'toEndpoints:\n        - matchLabels: { app: cart }')).resources);
    expect(ask({ repository: closing })).toMatchObject({ verdict: 'denied', egress: { verdict: 'denied' }, ingress: { verdict: 'allowed' } });
  });
});

test('in audit mode what would be denied is allowed and marked', () => {
  const options = { ...DEFAULT_POLICY_OPTIONS, auditMode: true };
  expect(ask({ port: 81, options })).toMatchObject({ verdict: 'allowed', audited: true, ingress: { verdict: 'denied' } });
  expect(ask({ options })).toMatchObject({ verdict: 'allowed', audited: false });
  expect(ask({ port: 81, options }).text).toMatch(/verdict: allowed \(audit mode: would be denied\)$/);
});

test('the text says all of it', () => {
  expect(ask({ from: test1 }).text).toBe(
    `80/TCP from shop/app=web,stage=test (identity 302) to shop/app=cart (identity 301)

egress of shop/app=web,stage=test (identity 302): allowed: no rule of this direction selects the endpoint

ingress of shop/app=cart (identity 301): denied: a rule denies it
  decides        deny CiliumNetworkPolicy/shop/cart (cart.yaml:23: spec.ingressDeny[0].fromEndpoints[0])
                 labels app=web, stage=test in shop; every protocol and port
  shadowed       allow CiliumNetworkPolicy/shop/cart (cart.yaml:12: spec.ingress[0].toPorts[0].ports[0])
                 labels app=web in shop; TCP port 80
                 deny beats allow: CiliumNetworkPolicy/shop/cart (cart.yaml:23: spec.ingressDeny[0].fromEndpoints[0])
  other peers    allow CiliumNetworkPolicy/shop/cart (cart.yaml:14: spec.ingress[1])
                 the peer is not of the entity host
  other peers    allow CiliumNetworkPolicy/shop/cart (cart.yaml:15: spec.ingress[2])
                 the peer has no address label in 198.51.100.0/24; pods and nodes never have
  nobody         allow CiliumNetworkPolicy/shop/cart (cart.yaml:20: spec.ingress[3])
                 the rule names neither peers nor ports

verdict: denied`,
  );
});

test('a denial by default names what closed the endpoint', () => {
  const { ingress, text } = ask({ port: 81 });
  expect(ingress.defaultDeny).toMatchObject({ why: 'rule', rules: [{ entry: 'spec.ingress[0]', line: 8 }, {}, {}, {}, { entry: 'spec.ingressDeny[0]' }] });
  expect(text).toContain('denied: no rule allows it, and 5 rules put the endpoint into default deny\n  closed by CiliumNetworkPolicy/shop/cart (cart.yaml:8: spec.ingress[0])\n');
  const always = ask({ repository: createPolicyRepository(), options: { ...DEFAULT_POLICY_OPTIONS, enforcement: 'always' } });
  expect(always.ingress.defaultDeny).toEqual({ why: 'enforcement-always', rules: [] });
  expect(always.text).toContain('no rule allows it, and policies are always enforced (enable-policy=always)');
  const init = ask({ repository: createPolicyRepository(), to: reserved('init') });
  expect(init.ingress).toMatchObject({ verdict: 'denied', defaultDeny: { why: 'init' } });
});

test('the JSON form can be kept and says everything', () => {
  const explanation = ask({ from: test1 });
  const json = JSON.parse(JSON.stringify(explanationJson(explanation)));
  expect(json).toMatchObject({
    from: { identity: 302, labels: expect.arrayContaining(['k8s:app=web']) },
    packet: { protocol: 6, port: 80 },
    verdict: 'denied',
    ingress: {
      reason: 'denied-by-rule',
      defaultDeny: { why: 'rule', rules: [{ entry: 'spec.ingress[0]' }, {}, {}, {}, {}] },
      candidates: [{ effect: 'decides' }, { effect: 'shadowed', shadow: { why: 'deny beats allow', by: { line: 23 } } }, { outcome: 'peer' }, {}, {}],
    },
  });
  expect(json.text).toBe(explanation.text);
});

test.each([
  [{ protocol: 256 }, 'protocol: '],
  [{ protocol: 6, port: 65536 }, 'port: '],
  [{ protocol: 6, port: 1.5 }, 'port: '],
  [{ protocol: 1, icmpType: 256 }, 'icmpType: '],
])('%j is refused', (request, argument) => {
  expect(() => ask(request)).toThrow(RangeError);
  expect(() => ask(request)).toThrow(argument);
});

test.each([
  [{ protocol: 6, port: 80 }, '80/TCP'],
  [{ protocol: 132, port: 1 }, '1/SCTP'],
  [{ protocol: 58, port: 128 }, 'ICMPv6 type 128'],
  [{ protocol: 47, port: 0 }, 'protocol 47'],
  [{ protocol: 2, port: 0 }, 'protocol IGMP'],
])('%j is written %s', (packet, text) => {
  expect(describePacket(packet)).toBe(text);
});
