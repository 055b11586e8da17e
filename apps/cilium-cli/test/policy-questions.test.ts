import type { AgentClient, DaemonConfiguration, Policy, PolicyService } from '@cilium-ts/agent-api';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { cilium } from './fake-io.ts';

const cart = (port: number): string => `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: cart, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: cart}}
  ingress:
    - fromEndpoints: [{matchLabels: {app: web}}]
      toPorts: [{ports: [{port: "${port}", protocol: TCP}]}]
`;
const flow = (app: string, port: number): string => JSON.stringify({ from: { labels: [`app=${app}`], namespace: 'shop' }, to: { labels: ['app=cart'], namespace: 'shop' }, port });
const files = {
  'now/cart.yaml': cart(80),
  'next/cart.yaml': cart(8080),
  'broken.yaml': 'kind: CiliumNetworkPolicy\napiVersion: cilium.io/v2\nmetadata: {name: x}\nspec: {}\n',
  'ids.yaml': '[{name: web-1, namespace: shop, labels: {app: web}}, {name: cart-1, namespace: shop, labels: {app: cart}}]',
  'flows.jsonl': [flow('web', 80), flow('web', 8080), flow('other', 80), '{"from": 7'].join('\n'),
  'bad.jsonl': 'nonsense',
};
/** How an agent says that it is configured. */
const configured = (enforcement: 'default' | 'always' | 'never', settings: Record<string, unknown> = {}): Pick<AgentClient, 'config'> => ({
  config: async () => ({ spec: {}, status: { realized: { 'policy-enforcement': enforcement }, daemonConfigurationMap: { 'cluster-name': 'default', 'allow-localhost': 'auto', 'enable-ipv4': true, 'enable-ipv6': true, ...settings } } }) as unknown as DaemonConfiguration,
});
const agent: Partial<AgentClient> = {
  ...configured('default'),
  listPolicyServices: async () => [],
  getPolicy: async () => ({ revision: 2, 'realized-revision': 2, policy: '', files: [], resources: [{ kind: 'CiliumNetworkPolicy', namespace: 'shop', name: 'cart', key: 'CiliumNetworkPolicy/shop/cart', source: 'file', file: 'cart.yaml', status: 'accepted', document: parse(cart(80)) }] }) satisfies Policy,
  listIdentities: async () => [{ id: 300, labels: ['k8s:app=web', 'k8s:io.kubernetes.pod.namespace=shop', 'k8s:io.cilium.k8s.policy.cluster=default'], 'labels-sha256': '' }, { id: 301, labels: ['k8s:app=cart', 'k8s:io.kubernetes.pod.namespace=shop', 'k8s:io.cilium.k8s.policy.cluster=default'], 'labels-sha256': '' }],
};

describe('matrix', () => {
  const matrix = (...args: string[]) => cilium(['policy', 'matrix', ...args], { files, agent });
  test('of files, between those that the rules speak of', async () => {
    const { code, out } = await matrix('now');
    expect(code).toBe(0);
    expect(out).toMatch(/^FROM +TO +MAY OPEN\n/);
    expect(out).toMatch(/shop\/app=web +shop\/app=cart +TCP 80/);
  });
  test('with the endpoints of a file, by their names', async () => {
    expect((await matrix('now', '--identities', 'ids.yaml')).out).toMatch(/web-1 +cart-1 +TCP 80/);
  });
  test('of the agent', async () => {
    const { code, out } = await cilium(['-o', 'json', 'policy', 'matrix'], { agent });
    expect(code).toBe(0);
    expect(JSON.parse(out).reach).toContainEqual({ from: 300, to: 301, text: 'TCP 80', open: [{ protocols: [6, 6], ports: [80, 80] }] });
  });
  test('as pictures, wherever the option stands', async () => {
    expect((await matrix('now', '-o', 'dot')).out).toMatch(/^digraph reach \{\n[^]*label="TCP 80"[^]*\}$/);
    expect((await cilium(['-o', 'mermaid', 'policy', 'matrix', 'now'], { files })).out).toMatch(/^flowchart LR\n[^]*-->\|"TCP 80"\|/);
  });
  test('other commands have no picture', async () => {
    expect(await cilium(['-o', 'dot', 'policy', 'validate', 'now'], { files })).toMatchObject({ code: 2, err: 'cilium: -o dot: this command has no picture; use table, json or yaml' });
  });
  test.each([
    [['nowhere'], 2, 'there is no policy file in nowhere'],
    [['broken.yaml'], 1, 'broken.yaml is not a file that an agent would accept'],
    [['now', '--identities', 'none'], 1, 'read none: no such file'],
    [['now', '--enable-policy', 'x'], 2, '--enable-policy'],
  ])('a wrong call is explained: %j', async (args, code, message) => {
    expect(await matrix(...args)).toMatchObject({ code, out: '', err: expect.stringContaining(message) });
  });
  test('an agent that does not answer fails the command', async () => {
    const failing = { getPolicy: async () => Promise.reject(new Error('connection refused')) };
    expect(await cilium(['policy', 'matrix'], { agent: failing })).toMatchObject({ code: 1, err: expect.stringContaining('connection refused') });
  });
});

describe('whatif', () => {
  const whatif = (...args: string[]) => cilium(['policy', 'whatif', ...args], { files, agent });
  const offline = ['--proposed', 'next', '--current', 'now'];

  test('says what opens and closes, between whom, by which rules', async () => {
    const { code, out } = await whatif(...offline);
    expect(code).toBe(0);
    expect(out).toContain('OPENS TCP 8080\n  shop/app=web -> shop/app=cart\n    before: denied: ingress by default, closed by CiliumNetworkPolicy/shop/cart (now/cart.yaml:7: spec.ingress[0])\n    after:  allowed: ingress by CiliumNetworkPolicy/shop/cart (next/cart.yaml:8: spec.ingress[0].toPorts[0].ports[0])\n');
    expect(out).toContain('CLOSES TCP 80\n  shop/app=web -> shop/app=cart\n');
    expect(out).toMatch(/reachability: 1 pairs open, 1 close, 0 are altered$/);
  });

  test('names the recorded flows that change; lines that cannot be read are told', async () => {
    const { code, out, err } = await whatif(...offline, '--flows', 'flows.jsonl', '--fail-on', 'flows');
    expect(code).toBe(1);
    expect(out).toContain('FLOW CLOSES flows.jsonl:1: shop/app=web -> shop/app=cart 80/TCP\n  ingress of shop/app=cart');
    expect(out).toContain('FLOW OPENS flows.jsonl:2: shop/app=web -> shop/app=cart 8080/TCP\n');
    expect(out).toMatch(/recorded flows: 1 would open, 1 would close, 1 stay$/);
    expect(err).toContain('flows.jsonl:4: error: the line is no JSON');
  });

  test('against the agent', async () => {
    const { code, out } = await cilium(['-o', 'json', 'policy', 'whatif', '--proposed', 'next'], { files, agent });
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ summary: { opens: 1, closes: 1, alters: 0 }, changes: [{ kind: 'opens', from: { identity: 300 }, to: { identity: 301 }, text: 'TCP 8080' }, { kind: 'closes', text: 'TCP 80' }] });
  });

  test.each([
    ['opens', 1],
    ['closes', 1],
    ['any', 1],
    ['alters', 0],
    ['flows', 0],
    ['alters,opens', 1],
  ])('--fail-on %s exits %i', async (causes, code) => {
    expect((await whatif(...offline, '--fail-on', causes)).code).toBe(code);
  });

  test('nothing changes: exit 0 whatever fails', async () => {
    const { code, out } = await whatif('--proposed', 'now', '--current', 'now', '--fail-on', 'any', '--identities', 'ids.yaml');
    expect({ code, out }).toEqual({ code: 0, out: 'reachability: nothing changes' });
  });

  test.each([
    [['--current', 'now'], 2, 'name the policies to come with --proposed'],
    [['--proposed', 'nowhere', '--current', 'now'], 2, 'there is no policy file in nowhere'],
    [['--proposed', 'next', '--current', 'broken.yaml'], 1, 'broken.yaml is not a file that an agent would accept'],
    [[...offline, '--fail-on', 'everything'], 2, '--fail-on: "everything" is none of opens, closes, alters, flows, any'],
    [[...offline, '--flows', 'bad.jsonl'], 1, 'bad.jsonl holds no flow that can be read'],
    [[...offline, '--flows', 'none'], 1, 'read none: no such file'],
  ])('a wrong call is explained: %j', async (args, code, message) => {
    expect(await whatif(...args)).toMatchObject({ code, out: '', err: expect.stringContaining(message) });
  });
});

describe('the agent says how policies are enforced, and what services are', () => {
  const uses = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: uses, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: web}}
  egress: [{toServices: [{k8sService: {serviceName: cart, namespace: shop}}]}]
`;
  const cartService = 'apiVersion: v1\nkind: Service\nmetadata: {name: cart, namespace: shop}\nspec: {selector: {app: cart}}\n';
  const services: PolicyService[] = [{ namespace: 'shop', name: 'cart', labels: {}, selector: { app: 'cart' }, addresses: [] }];
  const held = (document: string, name: string): Partial<AgentClient> => ({
    ...agent,
    getPolicy: async () => ({ revision: 2, 'realized-revision': 2, policy: '', files: [], resources: [{ kind: 'CiliumNetworkPolicy', namespace: 'shop', name, key: `CiliumNetworkPolicy/shop/${name}`, source: 'api', status: 'accepted', document: parse(document) }] }),
  });
  /** What the matrix says of one pair. */
  const reach = async (world: Partial<AgentClient>, [from, to]: readonly [number, number], ...args: string[]): Promise<string | undefined> => {
    const { out } = await cilium(['-o', 'json', 'policy', 'matrix', ...args], { agent: world, files: { ...files, 'services.yaml': cartService } });
    return (JSON.parse(out) as { reach: { from: number; to: number; text: string }[] }).reach.find((pair) => pair.from === from && pair.to === to)?.text;
  };
  const BACK = [301, 300] as const;
  const HOST = [1, 301] as const;

  test('the enforcement mode, unless the command line says it', async () => {
    expect(await reach(agent, BACK)).toBe('everything');
    expect(await reach({ ...agent, ...configured('always') }, BACK)).toBeUndefined();
    expect(await reach({ ...agent, ...configured('always') }, BACK, '--enable-policy', 'never')).toBe('everything');
  });

  test('whether the node always reaches its endpoints, unless the command line says it', async () => {
    const local = { ...agent, listIdentities: async () => [...(await agent.listIdentities!()), { id: 1, labels: ['reserved:host'], 'labels-sha256': '' }] };
    const always = { ...local, ...configured('default', { 'allow-localhost': 'always' }) };
    expect(await reach(local, HOST)).toBeUndefined();
    expect(await reach(always, HOST)).toBe('everything');
    expect(await reach(always, HOST, '--no-allow-localhost')).toBeUndefined();
    expect(await reach(local, HOST, '--allow-localhost')).toBe('everything');
  });

  test('its services, unless a file is given', async () => {
    const web = [300, 301] as const;
    expect(await reach(held(uses, 'uses'), web)).toBeUndefined();
    expect(await reach({ ...held(uses, 'uses'), listPolicyServices: async () => services }, web)).toBe('everything');
    expect(await reach(held(uses, 'uses'), web, '--services', 'services.yaml')).toBe('everything');
  });

  test('in whatif too', async () => {
    const ask = async (world: Partial<AgentClient>, ...args: string[]) => (await cilium(['policy', 'whatif', '--proposed', 'uses.yaml', ...args], { agent: world, files: { ...files, 'uses.yaml': uses, 'services.yaml': cartService } })).out;
    const world = held(uses.replace('serviceName: cart', 'serviceName: other'), 'uses');
    expect(await ask(world)).toBe('reachability: nothing changes');
    expect(await ask({ ...world, listPolicyServices: async () => services })).toMatch(/OPENS everything\n {2}.*app=web -> .*app=cart/);
    expect(await ask(world, '--services', 'services.yaml')).toMatch(/reachability: 1 pairs open, 0 close/);
    expect(await ask({ ...world, ...configured('never'), listPolicyServices: async () => services })).toBe('reachability: nothing changes');
  });
});
