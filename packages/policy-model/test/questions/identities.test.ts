import { describe, expect, it } from 'vitest';
import { parseIdentities } from '../../src/index.ts';

const read = (text: string): string[] => {
  const { identities, issues } = parseIdentities(text, { file: 'i.yaml' });
  expect(issues).toEqual([]);
  return identities.map(({ id, name, labels, addresses }) => {
    const own = labels.toStrings().filter((label) => !label.includes('io.cilium.k8s'));
    return [id, name ?? '-', own.join(), ...(addresses ?? []).map((address) => address.text)].join(' ');
  });
};

describe('parseIdentities', () => {
  it('reads lists in YAML, with made-up numbers where there are none', () => {
    const text = `
- { name: web, namespace: shop, labels: { app: web }, addresses: [10.0.0.1] }
- { id: 300, labels: [k8s:app=db, "k8s:io.kubernetes.pod.namespace=shop"] }
- { id: 300, labels: { app: other } }
- labels: ["reserved:host"]
- { name: web-2, namespace: shop, labels: { app: web }, addresses: ["2001:db8::1"] }`;
    expect(read(text)).toEqual([
      '256 web k8s:app=web,k8s:io.kubernetes.pod.namespace=shop 10.0.0.1 2001:db8::1',
      '300 - k8s:app=db,k8s:io.kubernetes.pod.namespace=shop',
      '257 - k8s:app=other,k8s:io.kubernetes.pod.namespace=default',
      '1 - reserved:host',
    ]);
  });

  it('reads what the agent prints, the scene of the examples, and pods', () => {
    expect(read(JSON.stringify([{ id: 5, labels: ['reserved:init'] }, { identity: { id: 400, labels: ['k8s:app=a'] }, refCount: 1 }]))).toEqual(['5 - reserved:init', '400 - k8s:app=a,k8s:io.kubernetes.pod.namespace=default']);
    const endpoint = { id: 7, status: { identity: { id: 401, labels: ['k8s:app=a'] }, 'external-identifiers': { 'pod-name': 'shop/a' }, networking: { addressing: [{ ipv4: '10.0.0.9', ipv6: 'fd00::9' }] } } };
    expect(read(JSON.stringify([endpoint]))).toEqual(['401 shop/a k8s:app=a,k8s:io.kubernetes.pod.namespace=default 10.0.0.9 fd00::9']);
    expect(read('pods:\n  - { name: web, namespace: shop, labels: { app: web }, tcp: [80] }')).toEqual(['256 web k8s:app=web,k8s:io.kubernetes.pod.namespace=shop']);
    const pod = { kind: 'Pod', metadata: { name: 'a', namespace: 'shop', labels: { app: 'a' } }, spec: { containers: [{ ports: [{ name: 'HTTP', containerPort: 8080 }, { containerPort: 1 }] }] }, status: { podIPs: [{ ip: '10.0.0.3' }] } };
    expect(read(JSON.stringify({ kind: 'List', items: [pod] }))).toEqual(['256 shop/a k8s:app=a,k8s:io.kubernetes.pod.namespace=shop 10.0.0.3']);
    expect(parseIdentities(JSON.stringify(pod)).identities[0]!.namedPorts).toEqual([{ name: 'http', protocol: 6, port: 8080 }]);
    expect(read('')).toEqual([]);
  });

  it('says what is wrong, where', () => {
    const { identities, issues } = parseIdentities('identities:\n  - { labels: { app: a } }\n  - 7\n  - { labels: 7 }\n  - { labels: {}, addresses: [x] }\n  - { id: 5000000000, labels: {} }', { file: 'i.yaml' });
    expect(identities).toHaveLength(1);
    expect(issues.map(({ line, field, message }) => `${line} ${field} ${message}`)).toEqual([
      '3 identities[1] is no object',
      '4 identities[2].labels are neither a list of texts nor a map',
      '5 identities[3].addresses "x" is no address',
      '6 identities[4].id 5000000000 is no number of an identity',
    ]);
    expect(parseIdentities('a: [').issues[0]!.message).toMatch(/^not YAML or JSON/);
    expect(parseIdentities('a: 1').issues[0]!.message).toBe('there is no list of identities in it');
  });
});
