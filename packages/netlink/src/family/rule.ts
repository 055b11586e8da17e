import { cidrOf } from '@cilium-ts/core';
import type { Cidr } from '@cilium-ts/core';

import { PayloadWriter, readAttributes, readString, readU32 } from '../wire/attributes.ts';
import { Flag } from '../wire/message.ts';
import type { Message, NetlinkRequest } from '../wire/message.ts';
import { familyNumber, familyOf, names, readIp } from '../wire/values.ts';
import { routeProtocols } from './route.ts';
import type { RouteProtocol } from './route.ts';

/** A routing rule: which packets look into which table. */
export interface Rule {
  readonly family: 4 | 6;
  /** Rules are tried from the lowest to the highest. */
  readonly priority: number;
  readonly action: RuleAction | number;
  /** Table to look into, for `lookup`. */
  readonly table: number | undefined;
  readonly source: Cidr | undefined;
  readonly destination: Cidr | undefined;
  readonly inputLink: string | undefined;
  readonly outputLink: string | undefined;
  readonly mark: number | undefined;
  readonly markMask: number | undefined;
  /** Matches everything but what the selectors say. */
  readonly invert: boolean;
  readonly protocol: RouteProtocol | number | undefined;
  /** Routes of this prefix length or shorter do not count. */
  readonly suppressPrefixLength: number | undefined;
}

/** A rule to add or delete; when deleting, what is absent matches anything. */
export interface RuleSpec extends Partial<Omit<Rule, 'family' | 'priority' | 'action'>> {
  readonly family: 4 | 6;
  readonly priority: number;
  /** `lookup` if absent. */
  readonly action?: RuleAction | undefined;
}

/** FR_ACT_* of linux/fib_rules.h. */
const RULE_ACTIONS = { lookup: 1, goto: 2, nop: 3, blackhole: 6, unreachable: 7, prohibit: 8 } as const;
export type RuleAction = keyof typeof RULE_ACTIONS;

/** FRA_* of linux/fib_rules.h. */
const Fra = { DST: 1, SRC: 2, IIFNAME: 3, PRIORITY: 6, FWMARK: 10, SUPPRESS_PREFIXLEN: 14, TABLE: 15, FWMASK: 16, OIFNAME: 17, PROTOCOL: 21 } as const;
/** RTM_* of linux/rtnetlink.h. */
const Rtm = { NEWRULE: 32, DELRULE: 33, GETRULE: 34 } as const;
/** FIB_RULE_INVERT of linux/fib_rules.h. */
const INVERT = 2;
/** Size of struct fib_rule_hdr. */
const SIZE = 12;
/** FRA_SUPPRESS_PREFIXLEN's "none". */
const NONE = 0xffffffff;

const actions = names(RULE_ACTIONS);

/** Reads RTM_NEWRULE; undefined for other families. */
export const decodeRule = (message: Message): Rule | undefined => {
  const { payload } = message;
  const family = payload.length < SIZE ? undefined : familyOf(payload.readUInt8(0));
  if (family === undefined) return undefined;
  const attributes = readAttributes(payload.subarray(SIZE));
  const prefix = (type: number, length: number): Cidr | undefined => {
    const address = readIp(attributes, type);
    return address && cidrOf(address, length);
  };
  const action = actions.name(payload.readUInt8(7));
  const protocol = attributes.get(Fra.PROTOCOL)?.readUInt8(0);
  const suppress = readU32(attributes, Fra.SUPPRESS_PREFIXLEN);
  return {
    family,
    priority: readU32(attributes, Fra.PRIORITY) ?? 0,
    action,
    table: action === 'lookup' ? (readU32(attributes, Fra.TABLE) ?? payload.readUInt8(4)) : undefined,
    source: prefix(Fra.SRC, payload.readUInt8(2)),
    destination: prefix(Fra.DST, payload.readUInt8(1)),
    inputLink: readString(attributes, Fra.IIFNAME),
    outputLink: readString(attributes, Fra.OIFNAME),
    mark: readU32(attributes, Fra.FWMARK),
    markMask: readU32(attributes, Fra.FWMASK),
    invert: (payload.readUInt32LE(8) & INVERT) !== 0,
    protocol: protocol === undefined ? undefined : routeProtocols.name(protocol),
    suppressPrefixLength: suppress === NONE ? undefined : suppress,
  };
};

const header = (spec: RuleSpec): Buffer => {
  const bytes = Buffer.alloc(SIZE);
  bytes.writeUInt8(familyNumber(spec.family), 0);
  bytes.writeUInt8(spec.destination?.prefixLength ?? 0, 1);
  bytes.writeUInt8(spec.source?.prefixLength ?? 0, 2);
  bytes.writeUInt8(actions.number(spec.action ?? 'lookup'), 7);
  bytes.writeUInt32LE(spec.invert ? INVERT : 0, 8);
  return bytes;
};

const payloadOf = (spec: RuleSpec): Buffer => {
  for (const [argument, prefix] of [['source', spec.source], ['destination', spec.destination]] as const) {
    if (prefix && prefix.family !== spec.family) throw new TypeError(`${argument}: ${prefix.text} is not of the rule's family`);
  }
  const writer = new PayloadWriter(header(spec)).u32(Fra.PRIORITY, spec.priority);
  if (spec.table !== undefined) writer.u32(Fra.TABLE, spec.table);
  if (spec.source) writer.bytes(Fra.SRC, spec.source.address.bytes);
  if (spec.destination) writer.bytes(Fra.DST, spec.destination.address.bytes);
  if (spec.inputLink !== undefined) writer.string(Fra.IIFNAME, spec.inputLink);
  if (spec.outputLink !== undefined) writer.string(Fra.OIFNAME, spec.outputLink);
  if (spec.mark !== undefined) writer.u32(Fra.FWMARK, spec.mark);
  if (spec.markMask !== undefined) writer.u32(Fra.FWMASK, spec.markMask);
  if (spec.protocol !== undefined) writer.u8(Fra.PROTOCOL, routeProtocols.number(spec.protocol));
  if (spec.suppressPrefixLength !== undefined) writer.u32(Fra.SUPPRESS_PREFIXLEN, spec.suppressPrefixLength);
  return writer.finish();
};

const listRules = (filter: { readonly family?: 4 | 6 | undefined } = {}): NetlinkRequest => {
  const payload = Buffer.alloc(SIZE);
  payload.writeUInt8(filter.family === undefined ? 0 : familyNumber(filter.family), 0);
  return { operation: 'list rules', type: Rtm.GETRULE, flags: Flag.DUMP, payload };
};

/** Requests on routing rules, for `Netlink.batch`. */
export const ruleRequests = {
  /** Fails with `exists` if there is one just like it. */
  add: (spec: RuleSpec): NetlinkRequest => ({ operation: `add rule ${spec.priority}`, type: Rtm.NEWRULE, flags: Flag.CREATE | Flag.EXCL, payload: payloadOf(spec) }),
  delete: (spec: RuleSpec): NetlinkRequest => ({ operation: `delete rule ${spec.priority}`, type: Rtm.DELRULE, flags: 0, payload: payloadOf(spec) }),
  list: listRules,
} as const;
