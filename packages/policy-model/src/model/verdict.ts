/** What happens to a packet: dropped for want of an allowing rule, allowed, or dropped by a rule that says so. */
export type RowAction = 'deny-default' | 'allow' | 'deny';

/**
 * Which kind of entry decided, as in Cilium's policy verdict events (`bpf/lib/policy.h`): whether it named the peer
 * (L3), and whether it named a protocol, or a protocol and port (L4).
 */
export const MATCH_TYPE = { none: 0, l3Only: 1, l3L4: 2, l4Only: 3, all: 4, l3Proto: 5, protoOnly: 6 } as const;

/** One of the numbers of {@link MATCH_TYPE}. */
export type MatchType = (typeof MATCH_TYPE)[keyof typeof MATCH_TYPE];
