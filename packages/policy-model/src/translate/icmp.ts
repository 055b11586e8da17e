import { suggest } from '@cilium-ts/core';
import type { Field } from '@cilium-ts/manifest';
import { PROTOCOL } from '../model/protocol.ts';
import type { PortTerm } from '../model/rule.ts';
import type { IcmpRuleSpec } from '../schema/cilium-ports.ts';
import { ICMP_TYPE_NAMES } from './icmp-types.ts';

/** Cilium's limit (`pkg/policy/api/rule_validation.go`). */
const MAX_ICMP_FIELDS = 40;

/** The ICMP types of an `icmps` list. Type 0 (EchoReply) is just that type, where Cilium takes it for every type. */
export function translateIcmps(icmps: readonly IcmpRuleSpec[], field: Field): readonly PortTerm[] {
  return icmps.flatMap((rule, index) => {
    const fields = rule.fields ?? [];
    const at = field.child(index, 'fields');
    if (fields.length > MAX_ICMP_FIELDS) {
      const message = `${fields.length} ICMP types in one list, the maximum is ${MAX_ICMP_FIELDS}`;
      at.report({ code: 'invalid-value', message, remedy: 'split it into several rules' });
    }
    return fields.flatMap((field, number) => {
      const family = field.family ?? 'IPv4';
      const type = icmpType(field.type, family, at.child(number, 'type'));
      if (type === undefined) return [];
      const protocol = family === 'IPv4' ? PROTOCOL.ICMP : PROTOCOL.ICMPV6;
      return [{ protocol, first: type, last: type, at: at.child(number).at }];
    });
  });
}

function icmpType(written: number | string, family: 'IPv4' | 'IPv6', field: Field): number | undefined {
  const named = ICMP_TYPE_NAMES[family].get(String(written));
  if (named !== undefined) return named;
  if (/^(?:0|[1-9]\d{0,2})$/.test(String(written)) && Number(written) <= 255) return Number(written);
  const near = suggest(String(written), ICMP_TYPE_NAMES[family].keys());
  const message = `${JSON.stringify(written)} is not an ICMP type of ${family}`;
  const remedy = near === undefined ? 'use a number from 0 to 255 or a name such as EchoRequest' : `did you mean ${near}?`;
  field.report({ code: 'invalid-value', message, remedy });
  return undefined;
}
