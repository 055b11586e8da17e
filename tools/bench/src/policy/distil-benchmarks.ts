import { labelSet, numericIdentity, reservedIdentities, selectorFromLabelSelector, type Identity } from '@cilium-ts/identity';
import { createPolicyRepository, DEFAULT_POLICY_OPTIONS as options, type CompiledPolicy, type PolicyResource } from '@cilium-ts/policy-model';
import type { BenchContext, Benchmark } from '../benchmark.ts';
import { absolute, type BenchResult } from '../result.ts';
import { median } from '../statistics.ts';
import { cidrRules } from './cidr-rules.ts';
import { collectGarbage, timed } from './cpu-clock.ts';

const RULES = 1000;
const RESOLVE = `policy/resolve-${RULES}-l3-rules`;
const ALLOW = `policy/distil-${RULES}-cidr-rules`;
const DENY = `policy/distil-${RULES}-cidr-deny-rules`;
const IDENTITIES = 3000;
const ROUNDS = 41;
const at = { line: 1, column: 1, field: 'spec' };
const SUBJECT: Identity = { id: numericIdentity(303), labels: labelSet(['k8s:foo=']) };
const STRANGER: Identity = { id: numericIdentity(304), labels: labelSet(['k8s:other=']) };

/** The two halves of compiling one policy, with the rules of Cilium's own benchmarks. */
export const distilBenchmarks: Benchmark = { names: [RESOLVE, ALLOW, DENY], run };

async function run({ wanted, progress, signal }: BenchContext): Promise<BenchResult[]> {
  const results: BenchResult[] = [];
  const measures = [[RESOLVE, measureResolve], [ALLOW, () => measureDistil(false)], [DENY, () => measureDistil(true)]] as const;
  for (const [name, measure] of measures) {
    if (!wanted(name)) continue;
    const times: number[] = [];
    for (let i = 0; i < ROUNDS; i++) {
      signal.throwIfAborted();
      times.push(await measure());
    }
    progress(`${name}: median ${median(times).toFixed(2)} ms, fastest ${Math.min(...times).toFixed(2)} ms, slowest ${Math.max(...times).toFixed(2)} ms`);
    results.push(absolute(name, median(times), 'ms', times.length));
  }
  return results;
}

const selector = (label: string) => selectorFromLabelSelector({ matchLabels: { [label]: '' } }, { defaultSource: 'any' });

/** A thousand policies for one endpoint, each of which lets the same label in. */
function l3Rules(): PolicyResource[] {
  return Array.from({ length: RULES }, (_, i) => {
    const key = `CiliumNetworkPolicy/default/l3-${i}`;
    const peer = { kind: 'labels', requirements: selector('bar').requirements, localClusterByDefault: true, at } as const;
    const rule = { resource: key, direction: 'ingress', action: 'allow', subject: selector('foo'), defaultDeny: true, tier: 'normal', peers: { kind: 'peers', peers: [peer] }, ports: { kind: 'all' }, at } as const;
    return { kind: 'CiliumNetworkPolicy', namespace: 'default', name: `l3-${i}`, key, document: {}, rules: [rule] };
  });
}

const peers: readonly Identity[] = [
  ...reservedIdentities({ ipv4: true, ipv6: true }),
  ...Array.from({ length: IDENTITIES }, (_, i): Identity => {
    const labels = [`k8s:foo${i}=`, 'k8s:io.cilium.k8s.policy.cluster=default', 'k8s:io.cilium.k8s.policy.serviceaccount=default', 'k8s:io.kubernetes.pod.namespace=monitoring', 'k8s:app=analytics-erneh', ...(i % 3 === 0 ? ['k8s:bar='] : [])];
    return { id: numericIdentity(1000 + i), labels: labelSet(labels) };
  }),
];

/**
 * Rules and identities are known, as in Cilium's; the endpoint is new: its rules are found and merged, their selector is
 * looked up among the identities, and, which Cilium's does not do, the rows are made as well.
 */
async function measureResolve(): Promise<number> {
  const repository = createPolicyRepository();
  repository.replaceAll(l3Rules());
  const compiler = repository.compiler(options);
  compiler.compile(STRANGER, peers);
  await collectGarbage('minor');
  const { result, milliseconds } = timed(() => compiler.compile(SUBJECT, peers));
  if (result.ingress.byIdentity.size !== IDENTITIES / 3) throw new Error(`resolving rules: ${result.ingress.byIdentity.size} rows`);
  return milliseconds;
}

/** Rules are merged and selectors looked up beforehand; what is timed makes the rows of all identities. */
async function measureDistil(denials: boolean): Promise<number> {
  const { policies, identities } = cidrRules(RULES, denials);
  const repository = createPolicyRepository();
  repository.replaceAll(policies);
  const resolved = repository.compiler(options).resolve(SUBJECT, identities);
  await collectGarbage('minor');
  const { result, milliseconds } = timed(() => resolved.distil());
  checkRows(result, { denials, identities: identities.length, rules: resolved.rules });
  return milliseconds;
}

function checkRows({ egress }: CompiledPolicy, { denials, identities, rules }: { denials: boolean; identities: number; rules: number }): void {
  if (egress.byIdentity.size !== identities || rules !== RULES * (denials ? 2 : 1)) throw new Error(`distilling rules: ${egress.byIdentity.size} rows of ${rules} rules`);
}
