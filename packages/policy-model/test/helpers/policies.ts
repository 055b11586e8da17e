import type { Identity } from '@cilium-ts/identity';
import type { PolicyIssue, PolicyOptions, PolicyRepository } from '../../src/index.ts';
import { DEFAULT_POLICY_OPTIONS, compilePolicy, createPolicyRepository, explain, formatIssue, lookupRow, parsePolicies } from '../../src/index.ts';
import { rowForPeer } from '../../src/index.ts';

/** A repository of policies that must all be accepted. */
export function repositoryOf(...texts: string[]): PolicyRepository {
  const repository = createPolicyRepository();
  for (const text of texts) {
    const { resources, issues } = parsePolicies(text, { file: 'policy.yaml' });
    const errors = issues.filter(({ severity }) => severity === 'error');
    if (errors.length > 0) throw new Error(errors.map(formatIssue).join('\n'));
    for (const resource of resources) repository.upsert(resource);
  }
  return repository;
}

export function issuesOf(text: string): readonly PolicyIssue[] {
  return parsePolicies(text, { file: 'policy.yaml' }).issues;
}

/** A CiliumNetworkPolicy `web` in the namespace `shop` with this spec. */
export function cnp(spec: unknown, metadata: Record<string, unknown> = { name: 'web', namespace: 'shop' }): string {
  return JSON.stringify({ apiVersion: 'cilium.io/v2', kind: 'CiliumNetworkPolicy', metadata, spec });
}

export function ccnp(spec: unknown, name = 'all'): string {
  return JSON.stringify({ apiVersion: 'cilium.io/v2', kind: 'CiliumClusterwideNetworkPolicy', metadata: { name }, spec });
}

export function networkPolicy(spec: unknown, metadata: Record<string, unknown> = { name: 'web', namespace: 'shop' }): string {
  return JSON.stringify({ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata, spec });
}

export interface Question {
  repository: PolicyRepository;
  from: Identity;
  to: Identity;
  protocol?: number;
  port?: number;
  options?: Partial<PolicyOptions>;
}

/** What both the compiled rows and the explanation say about one direction; fails where they differ. */
export function decide(direction: 'ingress' | 'egress', question: Question): { action: string; match: number; reason: string } {
  const { repository, from, to, protocol = 6, port = 80 } = question;
  const options = { ...DEFAULT_POLICY_OPTIONS, ...question.options };
  const [subject, peer] = direction === 'ingress' ? [to, from] : [from, to];
  const compiled = compilePolicy({ repository, subject, identities: [from, to], options });
  const row = lookupRow(rowForPeer(compiled[direction], peer.id), protocol, port);
  const explained = explain({ repository, from, to, protocol, port, icmpType: port, options })[direction];
  if (row.action !== explained.action || row.match !== explained.match) {
    throw new Error(`rows say ${row.action}/${row.match}, explanation ${explained.action}/${explained.match}`);
  }
  return { action: row.action, match: row.match, reason: explained.reason };
}

/** Whether `from` may enter `to`. */
export function ingress(question: Question): string {
  return decide('ingress', question).action;
}

/** Whether `from` may leave towards `to`. */
export function egress(question: Question): string {
  return decide('egress', question).action;
}
