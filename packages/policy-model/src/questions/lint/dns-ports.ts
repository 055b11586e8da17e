import type { PortTerm } from '../../model/rule.ts';
import type { PreparedRule, RulePart } from './prepared.ts';
import { restricts } from './prepared.ts';

/**
 * Whether a permission leaves nothing to a proxy with such rules. One for DNS knows the rules of its own port only, and
 * goes on refusing beside permissions for several ports or for all.
 */
export function disarms(wider: RulePart, { proxy, ports = [] }: RulePart): boolean {
  if (restricts(wider.proxy)) return false;
  return proxy?.l7?.kind !== 'dns' || ports.every((port) => wider.ports?.some((other) => samePort(other, port)));
}

/**
 * Whether taking `inner` away, all of whose ports `outer` allows too, may bring DNS rules into effect which it opens: it
 * names the very port of such rules, and `outer` does not.
 */
export function opensDnsRules(inner: PreparedRule, outer: PreparedRule, rules: readonly PreparedRule[]): boolean {
  const opened = (one: PreparedRule): PortTerm[] => one.parts.flatMap(({ proxy, ports = [] }) => (restricts(proxy) ? [] : ports));
  const others = opened(outer);
  const own = opened(inner).filter((port) => (port.first === port.last || port.name !== undefined) && !others.some((other) => samePort(other, port)));
  if (own.length === 0 || inner.rule.direction === 'ingress' || inner.rule.action !== 'allow') return false;
  return rules.some(({ parts }) => parts.some(({ proxy, ports = [] }) => proxy?.l7?.kind === 'dns' && ports.some((port) => own.some((one) => mayBeSamePort(one, port)))));
}

const samePort = (a: PortTerm, b: PortTerm): boolean => a.protocol === b.protocol && a.name === b.name && a.first === b.first && a.last === b.last;

/** What a name means is not known here. */
const mayBeSamePort = (a: PortTerm, b: PortTerm): boolean => a.protocol === b.protocol && (a.name !== undefined || b.name !== undefined || a.first === b.first);
