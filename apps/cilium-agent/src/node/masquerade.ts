import { errorMessage } from '@cilium-ts/core';
import type { Cidr } from '@cilium-ts/core';
import { z } from 'zod';
import { runTool } from './run-tool.ts';

/** What to masquerade: per family the prefixes never touched, absent if the family is not masqueraded. */
export interface MasqueradeOptions {
  readonly ipv4?: readonly Cidr[];
  readonly ipv6?: readonly Cidr[];
}

const TABLE = 'inet cilium';

const familyRule = (protocol: 'ipv4' | 'ipv6', excluded: readonly Cidr[] | undefined): string[] => {
  if (excluded === undefined) return [];
  const match = protocol === 'ipv4' ? 'ip' : 'ip6';
  const set = excluded.length === 0 ? '' : ` ${match} daddr != { ${excluded.map(({ text }) => text).join(', ')} }`;
  return [`    meta nfproto ${protocol} iifname "lxc*" oifname != "lxc*" oifname != "cilium_*"${set} masquerade`];
};

/**
 * The ruleset as nft reads it: replaces the agent's own table in one transaction. Only what comes from an endpoint and
 * leaves the node by another device is given the node's address; connections that came in from outside are known to
 * netfilter and not translated.
 */
export const masqueradeRuleset = (options: MasqueradeOptions): string => ruleset([...familyRule('ipv4', options.ipv4), ...familyRule('ipv6', options.ipv6)]);

/**
 * The ruleset that masquerades nothing new and leaves what is. The rule changes nothing: without one that asks for
 * connections the kernel stops tracking them in this network namespace, and with that translating them.
 */
export const drainingRuleset = (): string => ruleset(['    ct state new accept']);

const ruleset = (rules: readonly string[]): string =>
  [`table ${TABLE} {}`, `delete table ${TABLE}`, `table ${TABLE} {`, '  chain postrouting {', '    type nat hook postrouting priority srcnat; policy accept;', ...rules, '  }', '}', ''].join('\n');

/** Puts the table in place of whatever the table of that name held. */
export const installMasquerade = async (options: MasqueradeOptions): Promise<void> => {
  await runTool('nft', ['-f', '-'], { input: masqueradeRuleset(options), action: 'install masquerade rules' });
};

/** Puts a table in its place that masquerades nothing new; what is masqueraded stays so. */
export const emptyMasquerade = async (): Promise<void> => {
  await runTool('nft', ['-f', '-'], { input: drainingRuleset(), action: 'take the masquerade rules out of service' });
};

/** What of `nft -j list table` matters here. */
const Listing = z.object({
  nftables: z.array(z.object({ chain: z.object({ type: z.string().optional(), hook: z.string().optional() }).optional(), rule: z.object({ expr: z.array(z.record(z.string(), z.unknown())) }).optional() })),
});

/** Whether a table, as nft's JSON tells it, has the chain and a masquerading rule for each family. */
export const isMasqueradeTable = (json: string, options: MasqueradeOptions): boolean => {
  const { nftables } = Listing.parse(JSON.parse(json));
  const rules = nftables.filter(({ rule }) => rule?.expr.some((statement) => 'masquerade' in statement)).length;
  return rules >= Object.keys(options).length && nftables.some(({ chain }) => chain?.type === 'nat' && chain.hook === 'postrouting');
};

/** Is the table there, with all its rules? Throws AgentError if nft can not tell. */
export const hasMasquerade = async (options: MasqueradeOptions): Promise<boolean> => {
  try {
    return isMasqueradeTable(await runTool('nft', ['-j', 'list', 'table', ...TABLE.split(' ')], { action: 'look at masquerade rules' }), options);
  } catch (error) {
    if (errorMessage(error).includes('No such file or directory')) return false;
    throw error;
  }
};

/** Removes the table, if it is there. */
export const removeMasquerade = async (): Promise<void> => {
  await runTool('nft', ['-f', '-'], { input: `table ${TABLE} {}\ndelete table ${TABLE}\n`, action: 'remove masquerade rules' });
};
