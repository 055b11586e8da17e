import type { Selector } from '@cilium-ts/identity';
import { PolicyModelError } from '../error.ts';
import { formatLocation } from '../model/location.ts';
import type { ProxyRules } from '../model/l7.ts';
import type { PortTerm } from '../model/rule.ts';
import { canonicalText } from './canonical-text.ts';
import type { PreparedRule } from './prepared-rule.ts';
import { parserOf } from './proxy-parser.ts';

/**
 * Refuses rules that ask different things of the same connections: two permissions for the same selector and port that
 * name different parsers, TLS contexts or kinds of authentication. (Where selectors differ and merely overlap, the
 * stronger parser wins instead.) Throws PolicyModelError `l7-conflict`; `owner` says for whom.
 */
export function checkConflicts(rules: readonly PreparedRule[], owner: () => string): void {
  const asking = rules.filter(({ rule }) => rule.action === 'allow' && asksForMore(rule));
  if (asking.length < 2) return;
  const seen = new Map<string, Asked[]>();
  for (const prepared of asking) {
    for (const { key, asked } of askedFor(prepared)) {
      const before = seen.get(key);
      if (before === undefined) seen.set(key, [asked]);
      else {
        for (const other of before) refuse(other, asked, owner);
        before.push(asked);
      }
    }
  }
}

interface Asked {
  readonly prepared: PreparedRule;
  readonly port: PortTerm | undefined;
}

function asksForMore({ authentication, ports }: PreparedRule['rule']): boolean {
  return authentication !== undefined || (ports.kind === 'ports' && ports.ports.some(({ proxy }) => proxy !== undefined));
}

/** What a rule asks, by selector and port. */
function* askedFor(prepared: PreparedRule): Iterable<{ readonly key: string; readonly asked: Asked }> {
  const { rule, peers, anyTerms, namedAnyTerms } = prepared;
  const ports: readonly (PortTerm | undefined)[] = rule.ports.kind === 'ports' ? rule.ports.ports : [undefined];
  const texts = peers.filter(choosesSomebody).map(({ text }) => text);
  if (anyTerms.length > 0 || namedAnyTerms.length > 0) texts.push('');
  for (const port of ports) {
    if (port?.proxy === undefined && rule.authentication === undefined) continue;
    const place = port === undefined ? 'all' : `${port.protocol}/${port.name ?? `${port.first}-${port.last}`}`;
    for (const text of texts) yield { key: `${rule.tier} ${rule.order?.priority ?? ''} ${place} ${text}`, asked: { prepared, port } };
  }
}

/** `reserved:none` is carried by nobody. */
const choosesSomebody = ({ requirements }: Selector): boolean => !requirements.some(({ source, key }) => source === 'reserved' && key === 'none');

function refuse(a: Asked, b: Asked, owner: () => string): void {
  const what = proxyConflict(a.port?.proxy, b.port?.proxy) ?? authenticationConflict(a, b);
  if (what === undefined) return;
  const places = [a, b].map(({ prepared, port }) => `${prepared.place.resource} at ${formatLocation(port?.at ?? prepared.rule.at)}`);
  const remedy = 'let both ask for the same, or choose peers or ports that differ';
  throw new PolicyModelError('l7-conflict', `compile policy for ${owner()}: ${what} for the same peers and port: ${places.join(' and ')}; ${remedy}`);
}

function proxyConflict(a: ProxyRules | undefined, b: ProxyRules | undefined): string | undefined {
  if (a === undefined || b === undefined || a === b) return undefined;
  const [one, other] = [parserOf(a), parserOf(b)];
  if (one.parser !== other.parser && !yieldsTo(one.parser, other.parser) && !yieldsTo(other.parser, one.parser)) {
    return `two parsers, ${one.parser} and ${other.parser},`;
  }
  if (one.parser === 'listener' && other.parser === 'listener' && one.listener !== other.listener && one.priority === other.priority) {
    return `two listeners of the same priority, ${one.listener} and ${other.listener},`;
  }
  for (const side of ['terminatingTls', 'originatingTls'] as const) {
    const [mine, theirs] = [a[side], b[side]];
    if (mine !== undefined && theirs !== undefined && canonicalText(mine) !== canonicalText(theirs)) return `two TLS contexts (${side})`;
  }
  return undefined;
}

/** A look at the TLS handshake is part of what every parser but those for DNS and listeners does. */
const yieldsTo = (parser: string, other: string): boolean => parser === 'tls' && other !== 'dns' && other !== 'listener';

function authenticationConflict(a: Asked, b: Asked): string | undefined {
  const [one, other] = [a.prepared.rule.authentication, b.prepared.rule.authentication];
  return one === undefined || other === undefined || one === other ? undefined : `two kinds of authentication, ${one} and ${other},`;
}
