import { describe, expect, test } from 'vitest';
import { parsePolicies } from '../../src/index.ts';
import { cnpText, describeIssues } from '../helpers/issues.ts';

const X65 = 'x'.repeat(64);

/** Spec of a CiliumNetworkPolicy (its endpointSelector is in line 5, the rest in line 6), and what is said about it. */
const CILIUM: [string, string][] = [
  // Peers: one kind in a rule.
  ['ingress: [{ fromEndpoints: [{}], fromCIDR: [10.0.0.0/8] }]', '6:36 invalid-value spec.ingress[0].fromCIDR | fromEndpoints and fromCIDR cannot be combined in one rule | write one rule for each'],
  ['egress: [{ toFQDNs: [{ matchName: a.b }], toServices: [{ k8sService: { serviceName: a } }] }]', '6:14 invalid-value spec.egress[0].toFQDNs | toServices and toFQDNs cannot be combined in one rule | write one rule for each'],
  ['egressDeny: [{ toNodes: [{}], toGroups: [{ aws: {} }] }]', '6:33 invalid-value spec.egressDeny[0].toGroups | toNodes and toGroups cannot be combined in one rule | write one rule for each'],
  ['egressDeny: [{ toFQDNs: [{ matchName: a.b }] }]', '6:18 unknown-field spec.egressDeny[0].toFQDNs | unknown field "toFQDNs" | remove it; the fields here are toEndpoints, toEntities, toCIDR, toCIDRSet, toRequires, toGroups, toNodes, toServices, icmps, toPorts'],
  ['ingress: [{ fromServices: [] }]', '6:15 unknown-field spec.ingress[0].fromServices | unknown field "fromServices" | did you mean fromRequires?'],
  ['ingress: [{ fromEntities: [worlds] }]', '6:30 invalid-value spec.ingress[0].fromEntities[0] | "worlds" is not an entity | did you mean world?'],
  // Prefixes and their groups.
  ['egress: [{ toCIDRSet: [{ cidr: 10.0.0.0/8, cidrGroupRef: a }] }]', '6:46 invalid-value spec.egress[0].toCIDRSet[0].cidrGroupRef | cidr and cidrGroupRef exclude each other | keep one of them'],
  ['egress: [{ toCIDRSet: [{ except: [10.0.0.0/8] }] }]', '6:26 missing-field spec.egress[0].toCIDRSet[0] | none of cidr, cidrGroupRef, cidrGroupSelector is given | add one of them'],
  ['egress: [{ toCIDRSet: [{ cidr: 10.0.0.1 }] }]', '6:34 invalid-value spec.egress[0].toCIDRSet[0].cidr | "10.0.0.1" is not a prefix | write 10.0.0.1/32'],
  ['egress: [{ toCIDRSet: [{ cidr: 10.0.0.0/8, except: [11.0.0.0/16] }] }]', '6:55 invalid-value spec.egress[0].toCIDRSet[0].except[0] | 11.0.0.0/16 does not lie inside 10.0.0.0/8 | except only prefixes within the one that is selected'],
  ['egress: [{ toCIDRSet: [{ cidrGroupRef: a, except: [x] }] }]', '6:54 invalid-value spec.egress[0].toCIDRSet[0].except[0] | "x" is not a prefix | write address/length, such as 10.0.0.0/8 or 2001:db8::/32'],
  ['egress: [{ toCIDRSet: [{ cidrGroupRef: A_b }] }]', '6:42 invalid-value spec.egress[0].toCIDRSet[0].cidrGroupRef | the string "A_b" is not accepted | use the name of a CiliumCIDRGroup'],
  ['egress: [{ toCIDRSet: [{ cidrGroupSelector: { matchLabels: { "a b": x } } }] }]', '6:64 invalid-value spec.egress[0].toCIDRSet[0].cidrGroupSelector.matchLabels["a b"] | "a b" is not a label key | use [source:][dns.prefix/]name, the name of at most 63 letters, digits, "-", "_" and "."'],
  ['egress: [{ toCIDR: ["::ffff:10.0.0.0/104"] }]', '6:23 invalid-value spec.egress[0].toCIDR[0] | "::ffff:10.0.0.0/104" is not an address or prefix | write it as an IPv4 prefix'],
  ['ingress: [{ fromEndpoints: [{ matchExpressions: [{ key: a, operator: in, values: [b] }] }] }]', '6:72 invalid-value spec.ingress[0].fromEndpoints[0].matchExpressions[0].operator | the string "in" is not accepted | did you mean In? The choice is In, NotIn, Exists, DoesNotExist'],
  // Names.
  ['egress: [{ toFQDNs: [{}] }]', '6:24 missing-field spec.egress[0].toFQDNs[0] | none of matchName, matchPattern is given | add one of them'],
  ['egress: [{ toFQDNs: [{ matchName: a.b, matchPattern: "*" }] }]', '6:42 invalid-value spec.egress[0].toFQDNs[0].matchPattern | matchName and matchPattern exclude each other | keep one of them'],
  ['egress: [{ toFQDNs: [{ matchName: "*.b" }] }]', '6:37 invalid-value spec.egress[0].toFQDNs[0].matchName | the string "*.b" is not accepted | use labels of letters, digits, "-" and "_" between dots; patterns with * go into matchPattern'],
  ['egress: [{ toFQDNs: [{ matchName: a..b }] }]', '6:37 invalid-value spec.egress[0].toFQDNs[0].matchName | the string "a..b" is not accepted | use labels of letters, digits, "-" and "_" between dots; patterns with * go into matchPattern'],
  [`egress: [{ toFQDNs: [{ matchName: ${X65}.b }] }]`, `6:37 invalid-value spec.egress[0].toFQDNs[0].matchName | "${X65}.b" is not a DNS name | use at most 63 characters between dots and 255 in all`],
  ['egress: [{ toFQDNs: [{ matchPattern: "a b" }] }]', '6:40 invalid-value spec.egress[0].toFQDNs[0].matchPattern | the string "a b" is not accepted | use labels of letters, digits, "-", "_" and "*" between dots'],
  [`egress: [{ toFQDNs: [{ matchPattern: "${'a.'.repeat(128)}" }] }]`, `6:40 invalid-value spec.egress[0].toFQDNs[0].matchPattern | the string "${'a.'.repeat(128)}" is not accepted | use at most 255 characters`],
  ['egress: [{ toFQDNs: [{ matchname: a.b }] }]', '6:26 unknown-field spec.egress[0].toFQDNs[0].matchname | unknown field "matchname" | did you mean matchName?'],
  // Services, groups, nodes.
  ['egress: [{ toServices: [{}] }]', '6:27 missing-field spec.egress[0].toServices[0] | neither k8sService nor k8sServiceSelector is given | add one of them'],
  ['egress: [{ toServices: [{ k8sService: { namespace: a } }] }]', '6:29 missing-field spec.egress[0].toServices[0].k8sService.serviceName | the field serviceName is missing | add the name of the service'],
  ['egress: [{ toServices: [{ k8sServiceSelector: {} }] }]', '6:29 missing-field spec.egress[0].toServices[0].k8sServiceSelector.selector | the field selector is missing | add it as an object'],
  ['egress: [{ toGroups: [{}] }]', '6:25 missing-field spec.egress[0].toGroups[0].aws | the field aws is missing | add it as an object'],
  ['egress: [{ toGroups: [{ aws: { securityGroupIds: [a] } }] }]', '6:34 unknown-field spec.egress[0].toGroups[0].aws.securityGroupIds | unknown field "securityGroupIds" | did you mean securityGroupsIds?'],
  ['ingress: [{ fromNodes: [{ matchLabels: { a: "b c" } }] }]', '6:47 invalid-value spec.ingress[0].fromNodes[0].matchLabels.a | "b c" is not a label value | use at most 63 letters, digits, "-", "_" and ".", beginning and ending with a letter or digit'],
  ['ingress: [{ fromRequires: [{}] }]', '6:15 unenforceable spec.ingress[0].fromRequires | fromRequires cannot be enforced: requirements were removed from Cilium in 1.19 | write them as matchExpressions of the peers'],
  // Ports.
  ['ingress: [{ icmps: [{ fields: [{ type: 8 }] }], toPorts: [{ ports: [{ port: "80" }] }] }]', '6:15 invalid-value spec.ingress[0].icmps | icmps and toPorts cannot be combined in one rule | write one rule for each'],
  ['ingress: [{ toPorts: [{ ports: [{ port: "80", protocol: TPC }] }] }]', '6:59 invalid-value spec.ingress[0].toPorts[0].ports[0].protocol | "TPC" is not a protocol of a port rule | did you mean TCP?'],
  ['ingress: [{ toPorts: [{ ports: [{ port: http--x }] }] }]', '6:43 invalid-value spec.ingress[0].toPorts[0].ports[0].port | "http--x" is not a port | use a number from 0 to 65535, or a name of at most 15 letters, digits and single dashes'],
  ['ingress: [{ toPorts: [{ ports: [{ port: a-name-too-long-x }] }] }]', '6:43 invalid-value spec.ingress[0].toPorts[0].ports[0].port | "a-name-too-long-x" is not a port | use a number from 0 to 65535, or a name of at most 15 letters, digits and single dashes'],
  [`ingress: [{ toPorts: [{ ports: [${'{ port: "1" }, '.repeat(41)}] }] }]`, '6:27 invalid-value spec.ingress[0].toPorts[0].ports | a list of 41 is not accepted | use at most 40 members'],
  // Layer 7.
  ['ingress: [{ toPorts: [{ ports: [{ port: "80", protocol: TCP }], rules: { http: [{}], kafka: [{}] } }] }]', '6:88 invalid-value spec.ingress[0].toPorts[0].rules.kafka | http and kafka exclude each other | keep one of them'],
  ['ingress: [{ toPorts: [{ ports: [{ port: "80", protocol: TCP }], rules: { l7: [{}] } }] }]', '6:67 missing-field spec.ingress[0].toPorts[0].rules | l7 says nothing without l7proto | add l7proto, the name of the parser'],
  ['ingress: [{ toPorts: [{ ports: [{ port: "80", protocol: TCP }], rules: { l7proto: x, l7: [{ "": a }] } }] }]', '6:93 invalid-value spec.ingress[0].toPorts[0].rules.l7[0] | a key is empty | name every key'],
  ['ingress: [{ toPorts: [{ ports: [{ port: "80", protocol: TCP }], rules: { l7proto: "" } }] }]', '6:85 invalid-value spec.ingress[0].toPorts[0].rules.l7proto | the string "" is not accepted | use a name'],
  ['ingress: [{ toPorts: [{ ports: [{ port: "80", protocol: TCP }], rules: { https: [{}] } }] }]', '6:76 unknown-field spec.ingress[0].toPorts[0].rules.https | unknown field "https" | did you mean http?'],
  ['ingress: [{ toPorts: [{ ports: [{ port: "0", protocol: TCP }], rules: { http: [{}] } }] }]', '6:43 invalid-value spec.ingress[0].toPorts[0].ports[0].port | layer-7 rules need a port other than 0 | write the port'],
  ['ingress: [{ toPorts: [{ ports: [{ port: "80" }], rules: { http: [{}] } }] }]', '6:35 invalid-value spec.ingress[0].toPorts[0].ports[0].protocol | layer-7 rules are for TCP, not for ANY | write TCP'],
  ['ingress: [{ toPorts: [{ ports: [{ port: "80", protocol: UDP }], rules: { http: [{}] } }] }]', '6:59 invalid-value spec.ingress[0].toPorts[0].ports[0].protocol | layer-7 rules are for TCP, not for UDP | write TCP'],
  ['egress: [{ toPorts: [{ ports: [{ port: "53", protocol: SCTP }], rules: { dns: [{ matchPattern: "*" }] } }] }]', '6:58 invalid-value spec.egress[0].toPorts[0].ports[0].protocol | layer-7 rules are for TCP, not for SCTP, DNS rules also for UDP | write TCP'],
  ['ingress: [{ toPorts: [{ ports: [{ port: "53" }], rules: { dns: [{ matchPattern: "*" }] } }] }]', '6:61 invalid-value spec.ingress[0].toPorts[0].rules.dns | DNS rules are for outgoing traffic only | move the rule to egress'],
  ['egress: [{ toPorts: [{ rules: { dns: [{ matchPattern: "*" }] } }] }]', '6:35 missing-field spec.egress[0].toPorts[0].rules.dns | DNS rules need a port | add ports with the port 53'],
  ['egress: [{ toPorts: [{ ports: [{ port: "53", endPort: 60 }], rules: { dns: [{ matchPattern: "*" }] } }] }]', '6:48 invalid-value spec.egress[0].toPorts[0].ports[0].endPort | DNS rules have no ranges of ports | write the ports one by one'],
  ['egress: [{ toPorts: [{ ports: [{ port: "53" }], rules: { dns: [{ matchName: "a b" }] } }] }]', '6:79 invalid-value spec.egress[0].toPorts[0].rules.dns[0].matchName | the string "a b" is not accepted | use labels of letters, digits, "-" and "_" between dots; patterns with * go into matchPattern'],
  ['ingress: [{ toPorts: [{ ports: [{ port: "80", protocol: TCP }], rules: { http: [{ path: "/(" }] } }] }]', `6:91 invalid-value spec.ingress[0].toPorts[0].rules.http[0].path | "/(" is not a regular expression: "(" without ")", at character 2 | write it in RE2's syntax, which has neither references nor looking around`],
  ['ingress: [{ toPorts: [{ ports: [{ port: "80", protocol: TCP }], rules: { http: [{ host: "(a)\\\\1" }] } }] }]', `6:99 invalid-value spec.ingress[0].toPorts[0].rules.http[0].host | "(a)\\\\1" is not a regular expression: `],
  ['ingress: [{ toPorts: [{ ports: [{ port: "80", protocol: TCP }], rules: { http: [{ method: "(?!GET)" }] } }] }]', `6:101 invalid-value spec.ingress[0].toPorts[0].rules.http[0].method | "(?!GET)" is not a regular expression: `],
  ['ingress: [{ toPorts: [{ ports: [{ port: "80", protocol: TCP }], rules: { http: [{ headers: [""] }] } }] }]', '6:95 invalid-value spec.ingress[0].toPorts[0].rules.http[0].headers[0] | the string "" is not accepted | use a name'],
  ['ingress: [{ toPorts: [{ ports: [{ port: "80", protocol: TCP }], rules: { http: [{ headerMatches: [{ name: a, mismatch: REPLCE }] }] } }] }]', '6:122 invalid-value spec.ingress[0].toPorts[0].rules.http[0].headerMatches[0].mismatch | the string "REPLCE" is not accepted | did you mean REPLACE? The choice is LOG, ADD, DELETE, REPLACE'],
  ['ingress: [{ toPorts: [{ ports: [{ port: "80", protocol: TCP }], rules: { http: [{ headerMatches: [{ value: a }] }] } }] }]', '6:101 missing-field spec.ingress[0].toPorts[0].rules.http[0].headerMatches[0].name | the field name is missing | add it as a string: a name'],
  ['ingress: [{ toPorts: [{ ports: [{ port: "80", protocol: TCP }], rules: { http: [{ headerMatches: [{ name: a, secret: {} }] }] } }] }]', '6:112 missing-field spec.ingress[0].toPorts[0].rules.http[0].headerMatches[0].secret.name | the field name is missing | add it as a string: a name'],
  ['ingress: [{ toPorts: [{ ports: [{ port: "9092", protocol: TCP }], rules: { kafka: [{ role: produce, apiKey: fetch }] } }] }]', '6:103 invalid-value spec.ingress[0].toPorts[0].rules.kafka[0].apiKey | role and apiKey exclude each other | keep one of them'],
  ['ingress: [{ toPorts: [{ ports: [{ port: "9092", protocol: TCP }], rules: { kafka: [{ role: producer }] } }] }]', '6:94 invalid-value spec.ingress[0].toPorts[0].rules.kafka[0].role | the string "producer" is not accepted | did you mean produce? The choice is produce, consume'],
  ['ingress: [{ toPorts: [{ ports: [{ port: "9092", protocol: TCP }], rules: { kafka: [{ apiKey: fetsh }] } }] }]', '6:96 invalid-value spec.ingress[0].toPorts[0].rules.kafka[0].apiKey | "fetsh" is not a request of Kafka | did you mean fetch?'],
  ['ingress: [{ toPorts: [{ ports: [{ port: "9092", protocol: TCP }], rules: { kafka: [{ apiVersion: "32768" }] } }] }]', '6:100 invalid-value spec.ingress[0].toPorts[0].rules.kafka[0].apiVersion | "32768" is not a version | use a number from 0 to 32767'],
  ['ingress: [{ toPorts: [{ ports: [{ port: "9092", protocol: TCP }], rules: { kafka: [{ topic: "a/b" }] } }] }]', '6:95 invalid-value spec.ingress[0].toPorts[0].rules.kafka[0].topic | the string "a/b" is not accepted | use letters, digits, ".", "_" and "-"'],
  [`ingress: [{ toPorts: [{ ports: [{ port: "9092", protocol: TCP }], rules: { kafka: [{ topic: ${'t'.repeat(256)} }] } }] }]`, `6:95 invalid-value spec.ingress[0].toPorts[0].rules.kafka[0].topic | the string "${'t'.repeat(256)}" is not accepted | use at most 255 characters`],
  // TLS and listeners.
  ['egress: [{ toPorts: [{ ports: [{ port: "443", protocol: TCP }], serverNames: [a.b], rules: { http: [{}] } }] }]', '6:67 invalid-value spec.egress[0].toPorts[0].serverNames | server names beside layer-7 rules need terminatingTLS | add terminatingTLS, or remove one of the two'],
  ['egress: [{ toPorts: [{ serverNames: [] }] }]', '6:26 invalid-value spec.egress[0].toPorts[0].serverNames | a list of 0 is not accepted | use at least 1 members'],
  ['egress: [{ toPorts: [{ serverNames: [""] }] }]', '6:40 invalid-value spec.egress[0].toPorts[0].serverNames[0] | the string "" is not accepted | use a DNS name, which may begin with "*." or "**."'],
  ['egress: [{ toPorts: [{ serverNames: ["a.*.b"] }] }]', '6:40 invalid-value spec.egress[0].toPorts[0].serverNames[0] | the string "a.*.b" is not accepted | use a DNS name, which may begin with "*." or "**."'],
  ['egress: [{ toPorts: [{ terminatingTLS: {} }] }]', '6:26 missing-field spec.egress[0].toPorts[0].terminatingTLS.secret | the field secret is missing | add it as an object'],
  ['egress: [{ toPorts: [{ originatingTLS: { secret: { name: "" } } }] }]', '6:60 invalid-value spec.egress[0].toPorts[0].originatingTLS.secret.name | the string "" is not accepted | use a name'],
  ['ingress: [{ toPorts: [{ listener: { name: a, envoyConfig: { name: b } } }] }]', '6:27 invalid-value spec.ingress[0].toPorts[0].listener | listeners take outgoing traffic only | remove the listener'],
  ['egress: [{ toPorts: [{ ports: [{ port: "80", protocol: TCP }], listener: { name: a, envoyConfig: { name: b } }, rules: { http: [{}] } }] }]', '6:66 invalid-value spec.egress[0].toPorts[0].listener | a listener excludes layer-7 rules | keep one of the two'],
  ['egress: [{ toPorts: [{ listener: { name: a, envoyConfig: { name: b }, priority: 101 } }] }]', '6:83 invalid-value spec.egress[0].toPorts[0].listener.priority | the number 101 is not accepted | use at most 100'],
  ['egress: [{ toPorts: [{ listener: { name: a } }] }]', '6:26 missing-field spec.egress[0].toPorts[0].listener.envoyConfig | the field envoyConfig is missing | add it as an object'],
  ['egress: [{ toPorts: [{ listener: { name: a, envoyConfig: { kind: EnvoyConfig, name: b } } }] }]', '6:68 invalid-value spec.egress[0].toPorts[0].listener.envoyConfig.kind | the string "EnvoyConfig" is not accepted | use one of CiliumEnvoyConfig, CiliumClusterwideEnvoyConfig'],
  ['ingressDeny: [{ toPorts: [{ ports: [{ port: "80" }], rules: { http: [{}] } }] }]', '6:56 unknown-field spec.ingressDeny[0].toPorts[0].rules | unknown field "rules" | remove it; the fields here are ports'],
  // The rest.
  ['ingress: [{ authentication: {} }]', '6:15 missing-field spec.ingress[0].authentication.mode | the field mode is missing | add it as one of disabled, required, test-always-fail'],
  ['ingress: [{ authentication: { mode: requierd } }]', '6:39 invalid-value spec.ingress[0].authentication.mode | the string "requierd" is not accepted | did you mean required? The choice is disabled, required, test-always-fail'],
  ['ingressDeny: [{ authentication: { mode: required } }]', '6:19 unknown-field spec.ingressDeny[0].authentication | unknown field "authentication" | remove it; the fields here are fromEndpoints, fromEntities, fromCIDR, fromCIDRSet, fromRequires, fromGroups, fromNodes, icmps, toPorts'],
  ['labels: [{ value: x }]\n  ingress: [{}]', '6:12 missing-field spec.labels[0].key | the field key is missing | add it as a string'],
  ['log: { value: "a\\u0007" }\n  ingress: [{}]', '6:17 invalid-value spec.log.value | the string "a\\u0007" is not accepted | use printable characters'],
  ['nodeSelector: {}\n  ingress: [{}]', '6:3 invalid-value spec.nodeSelector | endpointSelector and nodeSelector exclude each other | write one rule for each'],
];

describe('CiliumNetworkPolicy', () => {
  test.each(CILIUM)('%s', (spec, expected) => {
    const text = cnpText(`endpointSelector: {}\n  ${spec}`);
    expect(parsePolicies(text).resources).toEqual([]);
    // Of regular expressions the explanation is another file's business.
    const [issue, ...others] = describeIssues(text);
    expect(others).toEqual([]);
    if (expected.endsWith(': ')) expect(issue).toContain(expected.replace(/^(\d+):(\d+) /, ''));
    else expect(issue).toBe(expected);
  });
});

const tier = (kind: string, spec: string): string =>
  `apiVersion: policy.networking.k8s.io/${kind === 'ClusterNetworkPolicy' ? 'v1alpha2' : 'v1alpha1'}\nkind: ${kind}\nmetadata: { name: ${kind === 'BaselineAdminNetworkPolicy' ? 'default' : 'a'} }\nspec:\n  ${spec}\n`;
const ADMIN = 'priority: 1\n  subject: { namespaces: {} }\n  ';
const CLUSTER = 'tier: Admin\n  priority: 1\n  subject: { namespaces: {} }\n  ';
const FROM = 'from: [{ namespaces: {} }]';

const KINDS: [string, string, string][] = [
  ['nodes in a namespace', cnpText('nodeSelector: {}\n  ingress: [{}]'), '5:3 invalid-value spec.nodeSelector | nodes are in no namespace | use a CiliumClusterwideNetworkPolicy'],
  ['layer 7 for nodes', cnpText('nodeSelector: {}\n  egress: [{ toPorts: [{ ports: [{ port: "80", protocol: TCP }], rules: { http: [{}] } }] }]', 'CiliumClusterwideNetworkPolicy'), '6:75 invalid-value spec.egress[0].toPorts[0].rules.http | of layer 7, policies for nodes have DNS rules only | select pods with endpointSelector, or remove the rules'],
  ['a namespaced listener without a namespace', cnpText('endpointSelector: {}\n  egress: [{ toPorts: [{ ports: [{ port: "80", protocol: TCP }], listener: { name: a, envoyConfig: { kind: CiliumEnvoyConfig, name: b } } }] }]', 'CiliumClusterwideNetworkPolicy'), '6:108 invalid-value spec.egress[0].toPorts[0].listener.envoyConfig.kind | a CiliumEnvoyConfig is in a namespace, the policy is in none | use a CiliumClusterwideEnvoyConfig, or a CiliumNetworkPolicy'],
  ['a group in a namespace', 'apiVersion: cilium.io/v2\nkind: CiliumCIDRGroup\nmetadata: { name: a, namespace: b }\nspec: { externalCIDRs: [] }\n', '3:22 invalid-value metadata.namespace | a CiliumCIDRGroup has no namespace | remove it'],
  ['a group with addresses', 'apiVersion: cilium.io/v2\nkind: CiliumCIDRGroup\nmetadata: { name: a }\nspec: { externalCIDRs: [10.0.0.1] }\n', '4:25 invalid-value spec.externalCIDRs[0] | "10.0.0.1" is not a prefix | write 10.0.0.1/32'],
  ['a group without prefixes', 'apiVersion: cilium.io/v2\nkind: CiliumCIDRGroup\nmetadata: { name: a }\nspec: {}\n', '4:1 missing-field spec.externalCIDRs | the field externalCIDRs is missing | add it as a list'],
  ['a version of a kind', tier('AdminNetworkPolicy', ADMIN).replace('v1alpha1', 'v1'), '1:13 invalid-value apiVersion | the string "policy.networking.k8s.io/v1" is not accepted | use policy.networking.k8s.io/v1alpha1'],
  ['a priority', tier('AdminNetworkPolicy', 'priority: 1001\n  subject: { namespaces: {} }'), '5:13 invalid-value spec.priority | the number 1001 is not accepted | use at most 1000'],
  ['no priority', tier('AdminNetworkPolicy', 'subject: { namespaces: {} }'), '4:1 missing-field spec.priority | the field priority is missing | add it as an integer'],
  ['a priority of a baseline', tier('BaselineAdminNetworkPolicy', 'priority: 1\n  subject: { namespaces: {} }'), '5:3 unknown-field spec.priority | unknown field "priority" | remove it; the fields here are subject, ingress, egress'],
  ['a baseline of another name', tier('BaselineAdminNetworkPolicy', 'subject: { namespaces: {} }').replace('default', 'mine'), '3:19 invalid-value metadata.name | there is one BaselineAdminNetworkPolicy, and its name is default | write default'],
  ['a baseline that passes', tier('BaselineAdminNetworkPolicy', `subject: { namespaces: {} }\n  ingress: [{ action: Pass, ${FROM} }]`), '6:23 invalid-value spec.ingress[0].action | the string "Pass" is not accepted | use one of Allow, Deny'],
  ['an action of the other version', tier('ClusterNetworkPolicy', `${CLUSTER}ingress: [{ action: Allow, ${FROM} }]`), '8:23 invalid-value spec.ingress[0].action | the string "Allow" is not accepted | use one of Accept, Deny, Pass'],
  ['a tier', tier('ClusterNetworkPolicy', 'tier: Admins\n  priority: 1\n  subject: { namespaces: {} }'), '5:9 invalid-value spec.tier | the string "Admins" is not accepted | did you mean Admin? The choice is Admin, Baseline'],
  ['no subject', tier('AdminNetworkPolicy', 'priority: 1\n  subject: {}'), '6:3 missing-field spec.subject | none of namespaces, pods is given | add one of them'],
  ['two subjects', tier('AdminNetworkPolicy', 'priority: 1\n  subject: { namespaces: {}, pods: { namespaceSelector: {}, podSelector: {} } }'), '6:30 invalid-value spec.subject.pods | namespaces and pods exclude each other | keep one of them'],
  ['half of a pod', tier('AdminNetworkPolicy', 'priority: 1\n  subject: { pods: { podSelector: {} } }'), '6:14 missing-field spec.subject.pods.namespaceSelector | the field namespaceSelector is missing | add it as an object'],
  ['a source in a key', tier('AdminNetworkPolicy', 'priority: 1\n  subject: { namespaces: { matchLabels: { "k8s:a": b } } }'), `6:43 invalid-value spec.subject.namespaces.matchLabels["k8s:a"] | the label key "k8s:a" has a source, which only Cilium's own policies may name | leave out what is before the colon`],
  ['no peers', tier('AdminNetworkPolicy', `${ADMIN}ingress: [{ action: Deny, from: [] }]`), '7:29 invalid-value spec.ingress[0].from | a list of 0 is not accepted | use at least 1 members'],
  ['an empty peer', tier('AdminNetworkPolicy', `${ADMIN}ingress: [{ action: Deny, from: [{}] }]`), '7:36 missing-field spec.ingress[0].from[0] | none of namespaces, pods is given | add one of them'],
  ['networks as senders', tier('AdminNetworkPolicy', `${ADMIN}ingress: [{ action: Deny, from: [{ networks: [10.0.0.0/8] }] }]`), '7:38 unknown-field spec.ingress[0].from[0].networks | unknown field "networks" | remove it; the fields here are namespaces, pods'],
  ['a network', tier('AdminNetworkPolicy', `${ADMIN}egress: [{ action: Deny, to: [{ networks: [10.0.0.0] }] }]`), '7:46 invalid-value spec.egress[0].to[0].networks[0] | "10.0.0.0" is not a prefix | write 10.0.0.0/32'],
  ['names that are denied', tier('ClusterNetworkPolicy', `${CLUSTER}egress: [{ action: Deny, to: [{ domainNames: [a.b] }] }]`), '8:35 invalid-value spec.egress[0].to[0].domainNames | domain names cannot be in a rule whose action is Deny | name networks, or accept'],
  ['a name', tier('ClusterNetworkPolicy', `${CLUSTER}egress: [{ action: Accept, to: [{ domainNames: ["a.*"] }] }]`), '8:51 invalid-value spec.egress[0].to[0].domainNames[0] | the string "a.*" is not accepted | use a DNS name of several labels, which may begin with "*."'],
  ['named ports of networks', tier('AdminNetworkPolicy', `${ADMIN}egress: [{ action: Deny, to: [{ networks: [10.0.0.0/8] }], ports: [{ namedPort: http }] }]`), '7:72 invalid-value spec.egress[0].ports[0].namedPort | nodes, networks and domain names have no named ports | write the number of the port'],
  ['no port', tier('AdminNetworkPolicy', `${ADMIN}ingress: [{ action: Deny, ${FROM}, ports: [{}] }]`), '7:65 missing-field spec.ingress[0].ports[0] | none of portNumber, portRange, namedPort is given | add one of them'],
  ['port 0', tier('AdminNetworkPolicy', `${ADMIN}ingress: [{ action: Deny, ${FROM}, ports: [{ portNumber: { port: 0 } }] }]`), '7:87 invalid-value spec.ingress[0].ports[0].portNumber.port | the number 0 is not accepted | use at least 1'],
  ['a range that ends before it begins', tier('AdminNetworkPolicy', `${ADMIN}ingress: [{ action: Deny, ${FROM}, ports: [{ portRange: { start: 9, end: 8 } }] }]`), '7:95 invalid-value spec.ingress[0].ports[0].portRange.end | end 8 is below the port 9 | use a port from 9 to 65535'],
  ['a name of a port', tier('ClusterNetworkPolicy', `${CLUSTER}ingress: [{ action: Deny, ${FROM}, protocols: [{ destinationNamedPort: "8080" }] }]`), '8:93 invalid-value spec.ingress[0].protocols[0].destinationNamedPort | "8080" is not the name of a port | use at most 15 letters, digits and single dashes'],
  ['two protocols in one', tier('ClusterNetworkPolicy', `${CLUSTER}ingress: [{ action: Deny, ${FROM}, protocols: [{ tcp: {}, udp: {} }] }]`), '8:80 invalid-value spec.ingress[0].protocols[0].udp | tcp and udp exclude each other | keep one of them'],
  ['ports of the other version', tier('ClusterNetworkPolicy', `${CLUSTER}ingress: [{ action: Deny, ${FROM}, ports: [] }]`), '8:57 unknown-field spec.ingress[0].ports | unknown field "ports" | remove it; the fields here are name, action, from, protocols'],
  ['too many rules', tier('ClusterNetworkPolicy', `${CLUSTER}ingress: [${`{ action: Deny, ${FROM} }, `.repeat(26)}]`), '8:3 invalid-value spec.ingress | a list of 26 is not accepted | use at most 25 members'],
  ['a long name', tier('AdminNetworkPolicy', `${ADMIN}ingress: [{ name: ${'n'.repeat(101)}, action: Deny, ${FROM} }]`), `7:21 invalid-value spec.ingress[0].name | the string "${'n'.repeat(101)}" is not accepted | use at most 100 characters`],
];

test.each(KINDS)('%s is refused', (_, text, expected) => {
  expect(parsePolicies(text).resources).toEqual([]);
  expect(describeIssues(text)).toEqual([expected]);
});

test('warnings keep nothing out', () => {
  const text = cnpText('endpointSelector: {}\n  ingress:\n    - authentication: { mode: required }\n      toPorts: [{ ports: [{ port: http, endPort: 90 }] }]');
  expect(parsePolicies(text).resources).toHaveLength(1);
  expect(describeIssues(text)).toEqual([
    '7:7 unenforced spec.ingress[0].authentication | authentication is not enforced: traffic passes as if its mode were disabled | do not rely on it',
    '8:41 suspicious spec.ingress[0].toPorts[0].ports[0].endPort | endPort has no effect after the name "http" | write port and endPort as numbers',
  ]);
});
