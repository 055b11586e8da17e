import type { Cidr } from '@cilium-ts/core';
import type { PolicyIssue } from '../../model/issue.ts';
import type { PolicyResource } from '../../model/resource.ts';
import { parsePolicies } from '../../parse/parse-policies.ts';
import type { FlowRecord } from '../flow-record.ts';
import type { KnownIdentity } from '../identities.ts';
import type { DocumentContext } from './cilium-document.ts';
import { ciliumDefaultDeny, ciliumDocument } from './cilium-document.ts';
import type { Group } from './grouping.ts';
import { groupWorkloads } from './grouping.ts';
import { networkPolicyDefaultDeny, networkPolicyDocument } from './network-policy-document.ts';
import type { Traffic } from './traffic.ts';
import { TrafficTable } from './traffic.ts';
import { verify } from './verify.ts';
import type { GeneratedKind } from './workload.ts';
import type { YamlValue } from './write-yaml.ts';
import { writeYaml } from './write-yaml.ts';

/** What {@link generate} makes policies from. */
export interface GenerateRequest {
  readonly flows: readonly FlowRecord[];
  /** Everybody there is: told apart by selectors, and closed even without flows. Ends of flows are added. */
  readonly identities?: readonly KnownIdentity[];
  readonly kind: GeneratedKind;
  /** Cluster that policies are for. Default `default`. */
  readonly clusterName?: string;
  /** Limit HTTP and DNS to the requests of the flows. Default false. */
  readonly l7?: boolean;
  /** Select addresses outside by the DNS names that led to them, where the flows show both. Default true. */
  readonly names?: boolean;
  /** How to select other addresses outside: each by itself, all as the world, or by these prefixes. Default `exact`. */
  readonly world?: 'exact' | 'entity' | readonly Cidr[];
  /** Whether to allow also what was denied when it was recorded. Default false. */
  readonly includeDenied?: boolean;
}

/** Something that the policies do not, or not quite, say. */
export interface GenerateNote {
  readonly message: string;
  /** How many flows it is about, and where the first of them stands; none for notes about policies. */
  readonly flows: number;
  readonly at?: FlowRecord['at'];
}

/** Policies, and how far they do what was asked. */
export interface Generated {
  /** Ready to be imported; the same for the same flows in whatever order. */
  readonly yaml: string;
  /** The YAML, parsed again. */
  readonly resources: readonly PolicyResource[];
  /** What the parser says of it; none, unless a name or label is more than it takes. */
  readonly issues: readonly PolicyIssue[];
  readonly notes: readonly GenerateNote[];
  /** Flows that the policies do not allow, for the reasons in `notes`. */
  readonly denied: readonly FlowRecord[];
}

/**
 * The tightest readable policies that allow these flows and nothing else among the known identities, as far as labels
 * tell endpoints apart: workloads by the labels they are called by, ports, prefixes, names, requests. Every workload
 * gets a policy for both directions; those without a flow a default deny for their namespace. The result is read back,
 * and each flow is held against it.
 */
export function generate(request: GenerateRequest): Generated {
  const { identities = [], kind, clusterName = 'default', l7 = false, names = true, world = 'exact', includeDenied = false } = request;
  const notes = new NoteBook();
  const flows = request.flows.filter(({ verdict }) => includeDenied || verdict !== 'denied');
  const table = new TrafficTable(identities, { kind, clusterName, names, world }, notes.add);
  table.addAll(flows);
  const all = table.all();
  const groups = groupWorkloads(all);
  const context: DocumentContext = { groupOf: new Map(groups.flatMap((group) => group.members.map(({ workload }) => [workload.key, group] as const))), l7: l7 && kind === 'cnp', note: notes.add };
  const documents = writeDocuments(groups.filter(({ cluster }) => cluster === undefined), kind, context);
  const yaml = documents.map(writeYaml).join('---\n');
  const { resources, issues } = parsePolicies(yaml, { file: 'generated.yaml' });
  const denied = verify(flows, resources, { identities, clusterName, l7: context.l7 });
  return { yaml, resources, issues, notes: notes.all(), denied };
}

/** Counts flows by what is to be said of them. */
class NoteBook {
  readonly #notes = new Map<string, { flows: number; at: FlowRecord['at'] | undefined }>();

  readonly add = (message: string, flow?: FlowRecord): void => {
    const note = this.#notes.get(message) ?? { flows: 0, at: flow?.at };
    if (flow !== undefined) note.flows++;
    this.#notes.set(message, note);
  };

  all(): GenerateNote[] {
    return [...this.#notes].sort(([a], [b]) => (a < b ? -1 : 1)).map(([message, { flows, at }]) => ({ message, flows, ...(at === undefined ? {} : { at }) }));
  }
}

const hasTraffic = ({ peers }: Traffic): boolean => peers.ingress.size + peers.egress.size > 0;

function writeDocuments(groups: readonly Group[], kind: GeneratedKind, context: DocumentContext): YamlValue[] {
  const write = kind === 'cnp' ? ciliumDocument : networkPolicyDocument;
  const close = kind === 'cnp' ? ciliumDefaultDeny : networkPolicyDefaultDeny;
  const written: { readonly namespace: string; readonly name: string; readonly document: YamlValue }[] = [];
  const idle = new Set(groups.filter(({ members }) => !members.some(hasTraffic)).map(({ namespace }) => namespace));
  for (const namespace of idle) written.push({ namespace, name: '', document: close(namespace) });
  const taken = new Set<string>();
  for (const group of groups) {
    if (!group.members.some(hasTraffic)) continue;
    const name = nameOf(group, taken);
    written.push({ namespace: group.namespace, name, document: write(group, name, context) });
  }
  return written.sort((a, b) => compare(a.namespace, b.namespace) || compare(a.name, b.name)).map(({ document }) => document);
}

/** Called after the values of the selector, once in its namespace. */
function nameOf({ namespace, selector }: Group, taken: Set<string>): string {
  const values = selector.flatMap(({ key, values: [value, ...more] }) => (value === undefined ? [`no-${key.slice(key.lastIndexOf('/') + 1)}`] : more.length === 0 ? [value] : []));
  const base = values.join('-').toLowerCase().replace(/[^a-z0-9]+/g, '-').slice(0, 50).replace(/^-+|-+$/g, '') || 'workload';
  for (let number = 1; ; number++) {
    const name = number === 1 ? base : `${base}-${number}`;
    if (name === 'default-deny' || taken.has(`${namespace}/${name}`)) continue;
    taken.add(`${namespace}/${name}`);
    return name;
  }
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
