import type { PolicyField } from '../model/issue.ts';
import { PROTOCOL } from '../model/protocol.ts';
import type { PortTerm } from '../model/rule.ts';
import type { IcmpRuleSpec } from '../schema/cilium-ports.ts';
import { ICMP_TYPE_NAMES } from './icmp-types.ts';
import { didYouMean, quote, refuse } from './report.ts';

/** The ICMP types of an `icmps` list. Type 0 (EchoReply) is just that type, where Cilium takes it for every type. */
export function translateIcmps(icmps: readonly IcmpRuleSpec[], field: PolicyField): readonly PortTerm[] {
  return icmps.flatMap(({ fields = [] }, index) =>
    fields.flatMap(({ family = 'IPv4', type: written }, number) => {
      const at = field.child(index, 'fields', number);
      const type = icmpType(written, family, at.child('type'));
      return type === undefined ? [] : [{ protocol: family === 'IPv4' ? PROTOCOL.ICMP : PROTOCOL.ICMPV6, first: type, last: type, at: at.at }];
    }),
  );
}

function icmpType(written: number | string, family: 'IPv4' | 'IPv6', field: PolicyField): number | undefined {
  const text = String(written);
  const names = ICMP_TYPE_NAMES[family];
  const named = names.get(text);
  if (named !== undefined) return named;
  if (/^(?:0|[1-9]\d{0,2})$/.test(text) && Number(text) <= 255) return Number(text);
  return refuse(field, `${quote(written)} is not an ICMP type of ${family}`, didYouMean(text, names.keys(), 'use a number from 0 to 255 or a name such as EchoRequest'));
}
