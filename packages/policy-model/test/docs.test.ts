import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cidrContains, hostCidr, parseCidr, parseIp } from '@cilium-ts/core';
import type { Identity } from '@cilium-ts/identity';
import { cidrLabels, labelSet, reservedIdentities, worldLabel } from '@cilium-ts/identity';
import { expect, test } from 'vitest';
import type { PolicyRepository } from '../src/index.ts';
import { DEFAULT_POLICY_OPTIONS, createPolicyRepository, explain, fqdnLabelKey, matchesFqdn, parsePolicies, parseProtocol } from '../src/index.ts';
import { identity, podLabels, reserved } from './helpers/identities.ts';

const FOLDER = join(import.meta.dirname, '../../../docs/policies');
const FAMILIES = { ipv4: true, ipv6: true };

/** What is known besides policies, as a page writes it. */
interface Known {
  readonly services?: readonly { namespace: string; name: string; labels?: Record<string, string>; selector?: Record<string, string>; addresses?: string[] }[];
}

interface Example {
  readonly policies: string;
  readonly known: Known;
  readonly verdicts: readonly string[];
}

/** The examples of a page: a block of policies, what is known (if anything), and the verdicts. */
function examples(text: string): Example[] {
  const found: Example[] = [];
  let policies = '';
  let known: Known = {};
  for (const [, language, content = ''] of text.matchAll(/^```(\w+)\n([^]*?)^```$/gm)) {
    if (language === 'yaml') [policies, known] = [content, {}];
    if (language === 'json') known = JSON.parse(content) as Known;
    if (language === 'verdicts') found.push({ policies, known, verdicts: content.trim().split('\n') });
  }
  return found;
}

let next = 2000;

/** A pod, a node, a reserved name, or an address with the names it was looked up by. */
function party(text: string, repository: PolicyRepository): Identity {
  const [, address = '', name] = /^([\da-fA-F.:]+)(?:=(.+))?$/.exec(text) ?? [];
  const ip = parseIp(address);
  if (ip !== undefined) {
    const prefixes = repository.prefixes().filter((prefix) => cidrContains(prefix, ip));
    const names = repository.fqdnSelectors().filter((selector) => name !== undefined && matchesFqdn(selector, name));
    const labels = [hostCidr(ip), ...prefixes].flatMap((prefix) => [...cidrLabels(prefix, FAMILIES)]);
    const more = names.map((selector) => ({ source: 'fqdn', key: fqdnLabelKey(selector), value: '' }));
    return identity(16777216 + next++, labelSet([...labels, ...more, worldLabel(ip.family, FAMILIES)]));
  }
  const [, namespace = '', labels = '', ports] = /^([\w-]+)\/([^{]*)(?:\{(.*)\})?$/.exec(text) ?? [];
  const written = Object.fromEntries(labels.split(',').map((label) => label.split('=') as [string, string]));
  if (namespace === 'node') return identity(33554432 + next++, ['reserved:remote-node', ...Object.entries(written).map(([key, value]) => `node:${key}=${value}`), 'k8s:io.cilium.k8s.policy.cluster=default']);
  if (namespace === '') return text === 'kube-apiserver' ? reservedIdentities(FAMILIES).find((one) => one.labels.has('reserved', text))! : reserved(text);
  const pod = identity(next++, podLabels(namespace, written));
  if (ports !== undefined) {
    const named = ports.split(',').map((port) => port.split('=') as [string, string]);
    repository.directory.setNamedPorts(pod.id, named.map(([portName, port]) => ({ name: portName, protocol: 6, port: Number(port) })));
  }
  return pod;
}

/** What is asked over the connection. */
function request(words: readonly string[], page: string) {
  const [first = '', second = '', ...rest] = words;
  if (first === '') return {};
  const pairs = (list: readonly string[]): Record<string, string> => Object.fromEntries(list.map((one) => one.split('=') as [string, string]));
  if (first === 'sni') return { serverName: second };
  if (first === 'dns') return { l7: { dns: { name: second } } };
  if (first === 'kafka') return { l7: { kafka: { apiKey: Number(second), topics: rest } } };
  if (page === 'generic.md') return { l7: { generic: { parser: first, fields: pairs([second, ...rest]) } } };
  return { l7: { http: { method: first, path: second, headers: pairs(rest) } } };
}

function load({ policies, known }: Example): PolicyRepository {
  const { resources, issues } = parsePolicies(policies);
  expect(issues.filter(({ code }) => code !== 'unenforced')).toEqual([]);
  const repository = createPolicyRepository();
  repository.replaceAll(resources);
  for (const { addresses, ...service } of known.services ?? []) {
    repository.directory.setService({ ...service, ...(addresses && { addresses: addresses.map((one) => parseCidr(one)!) }) });
  }
  return repository;
}

/** A table that a test of its own reads. */
const ELSEWHERE = 'network-policy-deviations.md';
const pages = readdirSync(FOLDER).filter((name) => name.endsWith('.md') && name !== 'README.md' && name !== ELSEWHERE);

test('the index knows every page', () => {
  const index = readFileSync(join(FOLDER, 'README.md'), 'utf8');
  expect([...index.matchAll(/\]\(([\w-]+\.md)\)/g)].map(([, name]) => name).sort()).toEqual([...pages, ELSEWHERE].sort());
});

test.each(pages)('%s promises what is', (page) => {
  const found = examples(readFileSync(join(FOLDER, page), 'utf8'));
  expect(found.length).toBeGreaterThan(0);
  for (const example of found) {
    const repository = load(example);
    const told = example.verdicts.map((line) => {
      const [, from = '', to = '', port = '', protocol = '', rest = ''] = /^(\S+) -> (\S+) (\d+)\/(\w+)((?: [^:\s]\S*)*): (?:allowed|denied)$/.exec(line) ?? [];
      const number = parseProtocol(protocol)!;
      const icmp = number === 1 || number === 58;
      const { verdict } = explain({
        repository,
        from: party(from, repository),
        to: party(to, repository),
        protocol: number,
        ...(icmp ? { icmpType: Number(port) } : { port: Number(port) }),
        ...request(rest.trim().split(' '), page),
        options: { ...DEFAULT_POLICY_OPTIONS, hostFirewall: true },
      });
      return line.replace(/: \w+$/, `: ${verdict}`);
    });
    expect(told).toEqual(example.verdicts);
  }
});
