import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Finding, PolicyOptions, PolicyResource, Rule } from '../../src/index.ts';
import { compilePolicy, createPolicyRepository, formatFinding, lint, lookupRow, parsePolicies, rowForPeer } from '../../src/index.ts';
import { IDENTITIES, PACKETS, PODS, documents, options } from '../helpers/random-policies.ts';

/** The verdict of every pod about every peer and packet, both ways, in one text. */
function verdicts(resources: readonly PolicyResource[], chosen: PolicyOptions): string {
  const repository = createPolicyRepository();
  repository.replaceAll(resources);
  return PODS.map((subject) => {
    const compiled = compilePolicy({ repository, subject, identities: IDENTITIES, options: chosen });
    return (['ingress', 'egress'] as const)
      .map((direction) => IDENTITIES.map(({ id }) => PACKETS.map(({ protocol, port }) => (lookupRow(rowForPeer(compiled[direction], id), protocol, port).action === 'allow' ? '+' : '-')).join('')).join(' '))
      .join('\n');
  }).join('\n');
}

const nobody = (rule: Rule): Rule => ({ ...rule, peers: { kind: 'none', why: 'taken out by the test' } });

/** The policies without what the finding says is pointless; `undefined` for findings that say something else. */
function without({ code, resource, field }: Finding, resources: readonly PolicyResource[]): PolicyResource[] | undefined {
  const edit = (change: (rule: Rule) => Rule | undefined): PolicyResource[] =>
    resources.map((one) => (one.key === resource ? { ...one, rules: one.rules.map(change).filter((rule) => rule !== undefined) } : one));
  switch (code) {
    case 'redundant':
      return edit((rule) => (rule.at.field === field ? undefined : rule));
    case 'shadowed':
      // It may still be what puts its endpoints into default deny.
      return edit((rule) => (rule.at.field === field ? nobody(rule) : rule));
    case 'impossible-subject': {
      const subject = resources.find(({ key }) => key === resource)!.rules.find(({ at }) => at.field === field)!.subject.text;
      return edit((rule) => (rule.subject.text === subject ? undefined : rule));
    }
    case 'impossible-peer':
      return edit((rule) => {
        if (rule.peers.kind !== 'peers') return rule;
        const peers = rule.peers.peers.filter(({ at }) => at.field !== field);
        return peers.length === rule.peers.peers.length ? rule : peers.length === 0 ? nobody(rule) : { ...rule, peers: { kind: 'peers', peers } };
      });
    // impossible-ports: rows say what they would of ICMPv6 from an IPv4 address, which no packet is.
    default:
      return undefined;
  }
}

describe('lint', () => {
  it('calls pointless only what can be taken away without any verdict changing', () => {
    const counts = new Map<string, number>();
    fc.assert(
      fc.property(documents, options, (texts, chosen) => {
        const repository = createPolicyRepository();
        for (const text of texts) for (const resource of parsePolicies(text).resources) repository.upsert(resource);
        const resources = repository.all();
        let before: string | undefined;
        for (const finding of lint({ resources, options: chosen })) {
          const after = without(finding, resources);
          if (after === undefined) continue;
          counts.set(finding.code, (counts.get(finding.code) ?? 0) + 1);
          before ??= verdicts(resources, chosen);
          if (verdicts(after, chosen) !== before) throw new Error(`${formatFinding(finding)}\n${texts.join('\n')}`);
        }
      }),
      { numRuns: 60 },
    );
    const found = [...counts.values()].reduce((sum, count) => sum + count, 0);
    expect(found, JSON.stringify([...counts])).toBeGreaterThan(30);
  });
});
