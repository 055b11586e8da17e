import type { AgentClient, TraceRequest, TraceResult } from '@cilium-ts/agent-api';
import { describe, expect, test } from 'vitest';
import { cilium } from './fake-io.ts';

const policy = (name: string, spec: object): string => JSON.stringify({ apiVersion: 'cilium.io/v2', kind: 'CiliumNetworkPolicy', metadata: { name, namespace: 'shop' }, spec });
const files = {
  'http.json': policy('http', { endpointSelector: { matchLabels: { app: 'cart' } }, ingress: [{ fromEndpoints: [{}], toPorts: [{ ports: [{ port: '80', protocol: 'TCP' }], rules: { http: [{ method: 'GET', path: '/public/.*', headers: ['X-Token: t'] }] } }] }] }),
  'dns.json': policy('dns', { endpointSelector: { matchLabels: { app: 'web' } }, egress: [{ toFQDNs: [{ matchPattern: '*.example.org' }], toPorts: [{ ports: [{ port: '443', protocol: 'TCP' }], serverNames: ['a.example.org'] }] }, { toEndpoints: [{}], toPorts: [{ ports: [{ port: '53', protocol: 'ANY' }], rules: { dns: [{ matchPattern: '*.example.org' }] } }] }] }),
  'kafka.json': policy('kafka', { endpointSelector: { matchLabels: { app: 'cart' } }, ingress: [{ toPorts: [{ ports: [{ port: '9092', protocol: 'TCP' }], rules: { kafka: [{ role: 'produce', topic: 'orders' }] } }, { ports: [{ port: '11211', protocol: 'TCP' }], rules: { l7proto: 'memcache', l7: [{ command: 'get' }] } }] }] }),
  'port.json': policy('port', { endpointSelector: { matchLabels: { app: 'cart' } }, ingress: [{ toPorts: [{ ports: [{ port: 'web', protocol: 'TCP' }] }] }] }),
  'plain.json': policy('plain', { endpointSelector: { matchLabels: { app: 'cart' } }, ingress: [{ fromEndpoints: [{ matchLabels: { app: 'web' } }] }] }),
  'ids.yaml': '[{name: web-1, namespace: shop, labels: {app: web}, addresses: [10.0.0.1]}, {name: cart-1, namespace: shop, labels: {app: cart}, addresses: [10.0.0.2]}, {name: cart-2, namespace: shop, labels: {app: cart, v: "2"}, addresses: [10.0.0.3]}]',
  'services.yaml': 'kind: Service\nmetadata: {name: cart, namespace: shop}\nspec: {selector: {app: cart}}\n---\nkind: Service\nmetadata: {name: old, namespace: shop}\n---\nkind: EndpointSlice\nmetadata: {name: old-x, namespace: shop, labels: {kubernetes.io/service-name: old}}\nendpoints: [{addresses: [203.0.113.9]}]\n',
  'no-services.yaml': 'kind: Pod\n',
  'broken-services.yaml': '{a: [',
};
const web = ['--src', 'app=web,io.kubernetes.pod.namespace=shop'];
const cart = ['--dst', 'app=cart,io.kubernetes.pod.namespace=shop'];
const trace = (file: string, ...args: string[]) => cilium(['policy', 'trace', '-f', file, ...args], { files });

describe('requests, offline', () => {
  test.each<[string, string[], number, string]>([
    ['http.json', [...cart, '--dport', '80', '--http', 'GET /public/a', '--http-header', 'X-Token: t'], 0, 'passes: the request is of layer-7 rule 0'],
    ['http.json', [...cart, '--dport', '80', '--http', 'GET /secret'], 1, 'the path "/secret" does not match /public/.*'],
    ['http.json', [...cart, '--dport', '80', '--http', 'GET /public/a', '--http-host', 'x'], 1, 'there is no header X-Token'],
    ['http.json', [...cart, '--dport', '80'], 0, 'verdict: allowed, as far as the proxy: requests are checked there'],
    ['dns.json', ['--dst', 'app=dns,io.kubernetes.pod.namespace=shop', '--dport', '53/udp', '--dns', 'www.example.org'], 0, 'DNS query for www.example.org'],
    ['dns.json', ['--dst', 'app=dns,io.kubernetes.pod.namespace=shop', '--dport', '53/udp', '--dns', 'example.com'], 1, 'the name example.com is not of the pattern'],
    ['dns.json', ['--dst-name', 'a.example.org', '--dport', '443', '--server-name', 'a.example.org'], 0, 'an address that *.example.org. resolved to'],
    ['dns.json', ['--dst-name', 'a.example.org', '--dport', '443', '--server-name', 'b.example.org'], 1, 'the server name b.example.org is not among a.example.org'],
    ['dns.json', ['--dst-name', 'example.com', '--dport', '443'], 1, "led to the peer's address"],
    ['kafka.json', [...cart, '--dport', '9092', '--kafka', 'produce:orders'], 0, 'Kafka request 0 orders'],
    ['kafka.json', [...cart, '--dport', '9092', '--kafka', '1:orders'], 1, 'the API key 1 is not among 0, 3, 18'],
    ['kafka.json', [...cart, '--dport', '11211', '--l7', 'memcache:command=get,key=a'], 0, 'memcache command=get key=a'],
    ['kafka.json', [...cart, '--dport', '11211', '--l7', 'memcache:command=set'], 1, 'command is "set", not "get"'],
  ])('%s %j exits %i', async (file, args, code, text) => {
    const run = await trace(file, ...web, ...args, '--unenforced');
    expect(run.code, run.err + run.out).toBe(code);
    expect(run.out).toContain(text);
  });

  test('what this version cannot enforce is asked only when that is said', async () => {
    expect(await trace('http.json', ...web, ...cart)).toMatchObject({ code: 1, out: '', err: expect.stringContaining('(--unenforced asks it nevertheless, as Cilium would)') });
  });
});

describe('ends', () => {
  test('spaces after commas are no part of labels', async () => {
    expect((await trace('plain.json', '--src', 'app=web, io.kubernetes.pod.namespace=shop', ...cart)).code).toBe(0);
  });
  test('two ends with labels that nobody is known to have are two identities', async () => {
    const { out } = await cilium(['-o', 'json', 'policy', 'trace', '-f', 'plain.json', ...web, ...cart], { files });
    const { from, to } = JSON.parse(out) as TraceResult;
    expect(from.identity).not.toBe(to.identity);
  });
  test.each([
    ['app = web', '--src: "app = web" is not a label (write KEY=VALUE, without spaces, separated by commas)'],
    ['=web', '--src: "=web" is not a label'],
    ['k8s:', '--src: "k8s:" is not a label'],
    ['app:web', '--src: "app" is no source of labels, in "app:web" (write app=web, or one of the sources k8s, reserved'],
  ])('%j is refused', async (labels, message) => {
    const run = await trace('plain.json', '--src', labels, ...cart);
    expect(run).toMatchObject({ code: 2, out: '' });
    expect(run.err).toContain(message);
  });
  const more = ['--identities', 'ids.yaml', '--services', 'services.yaml', '--dport', '80'];
  test('a service is everybody behind it', async () => {
    const { code, out } = await trace('plain.json', '--src-ip', '10.0.0.1', '--dst-service', 'shop/cart', ...more);
    expect(code, out).toBe(0);
    expect(out).toContain('to shop/app=cart (identity');
    expect(out).toContain('to shop/app=cart,v=2 (identity');
    expect(out).toMatch(/verdict over all 2 pairs: allowed$/);
    expect((await trace('plain.json', '--src-service', 'shop/cart', '--dst-service', 'shop/cart', ...more)).code).toBe(1);
    expect((await trace('plain.json', '--src', 'app=a', '--dst-service', 'shop/old', ...more)).out).toContain('to world-ipv4');
  });
  test('the JSON form tells of every rule', async () => {
    const { out } = await cilium(['-o', 'json', 'policy', 'trace', '-f', 'plain.json', '--src', 'app=nobody', ...cart], { files });
    expect(JSON.parse(out)).toMatchObject({ verdict: 'denied', ingress: { reason: 'default-deny', 'default-deny': { why: 'rule', rules: [{ resource: 'CiliumNetworkPolicy/shop/plain', entry: 'spec.ingress[0]', index: 0 }] }, log: [], candidates: [{ outcome: 'peer', rule: { tier: 'normal', action: 'allow' }, detail: expect.stringContaining('needs app=web') }] } });
  });
  test.each([
    [['--dst-service', 'shop/none', ...more], 'no such service is known'],
    [['--dst-service', 'shop/cart', '--dport', '80'], 'no such service is known'],
    [['--dst-identity', '99999'], 'no identity of that number is known'],
    [['--dst-name', 'a..b'], 'this is no DNS name'],
    [[...cart, '--dport', 'web/tcp'], 'portName: the destination has no port of that name ("web", TCP)'],
    [[...cart, '--dport', 'web/icmp'], '"web/icmp" is not PORT/PROTOCOL'],
    [[...cart, '--http', 'GET'], '--http: "GET" is not METHOD PATH'],
    [[...cart, '--http', 'GET /', '--http-header', 'x'], '--http-header: "x" is not NAME: VALUE'],
    [[...cart, '--http-host', 'x'], '--http-host and --http-header need --http'],
    [[...cart, '--http', 'GET /', '--dns', 'a'], 'give one of --http, --dns, --kafka and --l7'],
    [[...cart, '--kafka', 'publish'], '--kafka: "publish" is not KEY[:TOPIC,…]'],
    [[...cart, '--l7', 'a:b'], '--l7: "a:b" is not PARSER[:KEY=VALUE,…]'],
    [[...cart, '--dst-service', 'a/b'], 'name the destination by one of'],
  ])('a wrong call is explained: %j', async (args, message) => {
    expect(await trace('plain.json', ...web, ...args)).toMatchObject({ code: 2, out: '', err: expect.stringContaining(message) });
  });
  test.each([
    ['no-services.yaml', 'there is no Service in no-services.yaml'],
    ['broken-services.yaml', '--services: broken-services.yaml:1:6: a bracket or a brace is not closed (close it)'],
    ['none.yaml', 'read none.yaml: no such file'],
  ])('a file of services that is none: %s', async (file, message) => {
    expect(await trace('plain.json', ...web, ...cart, '--services', file)).toMatchObject({ code: 1, err: expect.stringContaining(message) });
  });
});

test('the agent is asked the same', async () => {
  const asked: TraceRequest[] = [];
  const answer: TraceResult = { verdict: 'allowed', from: { identity: 1, labels: [] }, to: { identity: 2, labels: [] }, egress: { verdict: 'allowed', enforced: false, reason: 'no-rules' }, ingress: { verdict: 'allowed', enforced: false, reason: 'no-rules' }, text: 'why' };
  const agent: Partial<AgentClient> = { tracePolicy: async (request) => (asked.push(request), answer) };
  const run = await cilium(['policy', 'trace', '--src-endpoint', '7', '--dst-service', 'shop/cart', '--dport', 'web/tcp', '--server-name', 'a.example', '--http', 'GET /a', '--http-host', 'h'], { agent });
  expect(run).toMatchObject({ code: 0, out: 'why' });
  expect(asked).toEqual([{ from: { endpoint: 7 }, to: { service: 'shop/cart' }, protocol: 'TCP', 'port-name': 'web', 'server-name': 'a.example', l7: { http: { method: 'GET', path: '/a', host: 'h' } } }]);
});
