import { expect, test } from 'vitest';
import { cilium } from './fake-io.ts';

const web = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: web
  namespace: shop
spec:
  endpointSelector:
    matchLabels:
      app: web
  ingress:
    - fromEndpoints:
        - matchLabels:
            app: front
      toPorts:
        - ports:
            - port: "80"
              protocol: TCP
    - fromCIDR:
        - 198.51.100.0/24
`;
const dns = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: dns}
spec:
  endpointSelector: {}
  egress:
    - toFQDNs:
        - matchName: example.org
`;
const files = { 'policies/web.yaml': web, 'policies/dns.yaml': dns, 'web.yaml': web };
const trace = (...args: string[]) => cilium(['policy', 'trace', '-f', 'web.yaml', ...args], { files });
const toWeb = ['--dst', 'app=web,io.kubernetes.pod.namespace=shop'];

test('validate names the file, line and field of what an agent would refuse, and fails', async () => {
  const { code, out } = await cilium(['policy', 'validate', 'policies'], { files });
  expect(code).toBe(1);
  expect(out).toMatch(/policies\/dns\.yaml:8:\d+: error: CiliumNetworkPolicy\/default\/dns spec\.egress\[0\]\.toFQDNs\[0\]: /);
  expect(out).toContain('policies/web.yaml: valid: CiliumNetworkPolicy/shop/web');
});

test('validate accepts a good file, and gives the same to machines', async () => {
  expect(await cilium(['policy', 'validate', 'web.yaml'], { files })).toMatchObject({ code: 0, err: '' });
  const { out } = await cilium(['-o', 'json', 'policy', 'validate', 'web.yaml'], { files });
  expect(JSON.parse(out)).toEqual([{ file: 'web.yaml', resources: ['CiliumNetworkPolicy/shop/web'], issues: [] }]);
});

test('trace names the rule that allows', async () => {
  const { code, out } = await trace('--src', 'app=front', '--src', 'io.kubernetes.pod.namespace=shop', ...toWeb, '--dport', '80/tcp');
  expect(code).toBe(0);
  expect(out).toContain('verdict: allowed');
  expect(out).toContain('web.yaml:');
  expect(out).toContain('spec.ingress[0]');
});

test.each([
  ['another port', ['--src', 'app=front,io.kubernetes.pod.namespace=shop', '--dport', '81/tcp']],
  ['another namespace', ['--src', 'app=front,io.kubernetes.pod.namespace=other', '--dport', '80/tcp']],
  ['an address that no prefix covers', ['--src-ip', '203.0.113.1', '--dport', '80/tcp']],
])('trace denies %s with exit code 1', async (_, args) => {
  expect(await trace(...args, ...toWeb)).toMatchObject({ code: 1, out: expect.stringContaining('verdict: denied') });
});

test('trace knows addresses by the prefixes of the rules', async () => {
  const { code, out } = await cilium(['-o', 'json', 'policy', 'trace', '-f', 'web.yaml', '--src-ip', '198.51.100.7', ...toWeb, '--dport', '8/icmp'], { files });
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ verdict: 'allowed', from: { labels: expect.arrayContaining(['cidr:198.51.100.0/24']) }, ingress: { rule: { file: 'web.yaml', line: 19 } } });
});

test.each([
  [['--dport', '80/tcp'], 'name the source by one of'],
  [['--src', 'a=b', '--src-ip', '1.2.3.4', '--dport', '80/tcp'], 'name the source by one of'],
  [['--src', 'a=b', '--dport', '70000/tcp'], '"70000/tcp" is not PORT/PROTOCOL'],
  [['--src', 'a=b', '--dport', '80/quic'], '"80/quic" is not PORT/PROTOCOL'],
  [['--src-ip', '1.2.3', '--dport', '80'], '"1.2.3" is neither an IPv4 nor an IPv6 address'],
  [['--src-endpoint', '7', '--dport', '80'], 'known to a running agent only'],
  [['--src', 'a=b', '--dport', '80', '--enable-policy', 'sometimes'], '"sometimes" is none of default, always, never'],
])('a wrong call is explained: %j', async (args, message) => {
  expect(await trace(...args, ...toWeb)).toMatchObject({ code: 2, out: '', err: expect.stringContaining(message) });
});

test('trace refuses a file that an agent would refuse', async () => {
  const { code, err } = await cilium(['policy', 'trace', '-f', 'policies', '--src', 'a=b', ...toWeb], { files });
  expect(code).toBe(1);
  expect(err).toContain('policies/dns.yaml is not a file that an agent would accept');
});
