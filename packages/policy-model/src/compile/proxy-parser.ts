import type { ProxyRules } from '../model/l7.ts';
import type { ProxyParser } from '../model/rule-set.ts';

/** Who takes the traffic of a port rule, and how it stands against others that would: the smaller number wins. */
export interface ParserChoice {
  readonly parser: ProxyParser;
  readonly priority: number;
  /** Of a listener. */
  readonly listener: string;
}

/** Cilium's priorities (1.19, `pkg/policy/l4.go`); listeners may name one of 1 to 100 instead. */
const PRIORITY = { http: 101, kafka: 106, generic: 111, tls: 116, dns: 121, listener: 126 } as const;

/** The parser that a port rule asks for. Server names and TLS alone need one that looks at the handshake. */
export function parserOf({ listener, l7 }: ProxyRules): ParserChoice {
  if (listener !== undefined) return { parser: 'listener', priority: listener.priority ?? PRIORITY.listener, listener: listenerText(listener) };
  if (l7 === undefined) return { parser: 'tls', priority: PRIORITY.tls, listener: '' };
  return { parser: l7.kind === 'generic' ? `generic:${l7.parser}` : l7.kind, priority: PRIORITY[l7.kind], listener: '' };
}

function listenerText({ name, envoyConfig }: NonNullable<ProxyRules['listener']>): string {
  return envoyConfig === undefined ? name : `${envoyConfig.kind}/${envoyConfig.name}/${name}`;
}

/** Negative where `a` takes the traffic. Ties go by name, so that the outcome does not depend on the order of rules. */
export function compareChoices(a: ParserChoice, b: ParserChoice): number {
  if (a.priority !== b.priority) return a.priority - b.priority;
  if (a.parser !== b.parser) return a.parser < b.parser ? -1 : 1;
  return a.listener === b.listener ? 0 : a.listener < b.listener ? -1 : 1;
}
