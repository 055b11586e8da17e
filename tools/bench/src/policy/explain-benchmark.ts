import { numericIdentity, workloadLabels, type Identity } from '@cilium-ts/identity';
import { createPolicyRepository, DEFAULT_POLICY_OPTIONS, explain, formatIssue, parsePolicies, type PolicyRepository } from '@cilium-ts/policy-model';
import type { BenchContext, Benchmark } from '../benchmark.ts';
import { absolute, type BenchResult } from '../result.ts';
import { median } from '../statistics.ts';

const NAME = 'policy/explain-rate';
const POLICIES = 1000;
const NAMESPACES = 40;
const APPS = 25;
const PORTS = [53, 80, 443, 8080, 9090];
const ROUNDS = 7;
const VERDICTS = 10_000;

/**
 * Verdicts of both directions per second over a thousand policies, each with the deciding rule and the list of all
 * rules that select the endpoint and what each had to do with it. Every pair is another one, and the text is left out.
 */
export const explainBenchmark: Benchmark = { names: [NAME], run };

function run({ progress }: BenchContext): Promise<BenchResult[]> {
  const repository = manyPolicies();
  const identities = manyIdentities();
  const rates: number[] = [];
  let seed = 1;
  const pick = (below: number): number => (seed = (Math.imul(seed, 48_271) >>> 0) % 0x7fff_ffff) % below;
  for (let round = 0; round < ROUNDS; round++) {
    const count = { allowed: 0, denied: 0, candidates: 0 };
    const began = process.cpuUsage();
    for (let i = 0; i < VERDICTS; i++) {
      const [from, to] = [identities[pick(identities.length)]!, identities[pick(identities.length)]!];
      const { verdict, ingress, egress } = explain({ repository, from, to, protocol: 6, port: PORTS[pick(PORTS.length)]!, options: DEFAULT_POLICY_OPTIONS });
      count[verdict]++;
      count.candidates += ingress.candidates.length + egress.candidates.length;
    }
    const { user, system } = process.cpuUsage(began);
    rates.push(VERDICTS / ((user + system) / 1e6));
    if (count.allowed === 0 || count.denied === 0 || count.candidates < VERDICTS) throw new Error(`explaining: ${JSON.stringify(count)} is not what was to be measured`);
  }
  progress(`verdicts per second of CPU: median ${median(rates).toFixed(0)}, least ${Math.min(...rates).toFixed(0)}`);
  return Promise.resolve([absolute(NAME, median(rates), 'verdicts/s', VERDICTS * ROUNDS)]);
}

/** Policies of all kinds: per app of a namespace, per namespace, and a few about everybody. */
function manyPolicies(): PolicyRepository {
  const documents = Array.from({ length: POLICIES }, (_, i) => JSON.stringify(i % 50 === 0 ? clusterwide(i) : i % 5 === 0 ? kubernetes(i) : namespaced(i)));
  const { resources, issues } = parsePolicies(documents.join('\n---\n'));
  const errors = issues.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new Error(`making policies: ${formatIssue(errors[0]!)}`);
  const repository = createPolicyRepository();
  repository.replaceAll(resources);
  return repository;
}

const app = (i: number): Record<string, string> => ({ app: `app-${i % APPS}` });
const metadata = (i: number): object => ({ name: `policy-${i}`, namespace: `namespace-${i % NAMESPACES}` });
const ports = (...numbers: number[]): object[] => [{ ports: numbers.map((port) => ({ port: String(port), protocol: 'TCP' })) }];

function namespaced(i: number): object {
  const spec = {
    endpointSelector: { matchLabels: app(Math.floor(i / NAMESPACES)) },
    ingress: [{ fromEndpoints: [{ matchLabels: app(i + 1) }, { matchLabels: app(i + 7) }], toPorts: ports(80, 8080) }, { fromEndpoints: [{ matchLabels: { 'k8s:io.kubernetes.pod.namespace': `namespace-${(i + 3) % NAMESPACES}` } }], toPorts: ports(443) }],
    egress: [{ toEndpoints: [{}] }, { toEntities: ['world'], toPorts: ports(443) }, { toCIDRSet: [{ cidr: `10.${i % 200}.0.0/16`, except: [`10.${i % 200}.1.0/24`] }] }],
    ...(i % 3 === 0 ? { ingressDeny: [{ fromEndpoints: [{ matchLabels: app(i + 2) }], toPorts: ports(9090) }] } : {}),
  };
  return { apiVersion: 'cilium.io/v2', kind: 'CiliumNetworkPolicy', metadata: metadata(i), spec };
}

function kubernetes(i: number): object {
  const spec = { podSelector: {}, policyTypes: ['Ingress'], ingress: [{ from: [{ podSelector: { matchLabels: app(i) } }, { namespaceSelector: {}, podSelector: { matchLabels: app(i + 4) } }], ports: [{ port: PORTS[i % PORTS.length] }] }] };
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: metadata(i), spec };
}

function clusterwide(i: number): object {
  const spec = { endpointSelector: { matchLabels: app(i / 50) }, egress: [{ toEntities: ['cluster'], toPorts: ports(53) }], ingress: [{ fromEntities: ['host', 'remote-node'] }] };
  return { apiVersion: 'cilium.io/v2', kind: 'CiliumClusterwideNetworkPolicy', metadata: { name: `policy-${i}` }, spec };
}

function manyIdentities(): Identity[] {
  return Array.from({ length: NAMESPACES * APPS * 2 }, (_, i) => ({
    id: numericIdentity(256 + i),
    labels: workloadLabels([`app=app-${i % APPS}`, `version=${i % 2}`], { namespace: `namespace-${Math.floor(i / 2 / APPS)}`, clusterName: 'default' }),
  }));
}
