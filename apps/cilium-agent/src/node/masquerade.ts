import type { Cidr } from '@cilium-ts/core';
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
export const masqueradeRuleset = (options: MasqueradeOptions): string =>
  [
    `table ${TABLE} {}`,
    `delete table ${TABLE}`,
    `table ${TABLE} {`,
    '  chain postrouting {',
    '    type nat hook postrouting priority srcnat; policy accept;',
    ...familyRule('ipv4', options.ipv4),
    ...familyRule('ipv6', options.ipv6),
    '  }',
    '}',
    '',
  ].join('\n');

/** Puts the table in place of whatever the table of that name held. */
export const installMasquerade = async (options: MasqueradeOptions): Promise<void> => {
  await runTool('nft', ['-f', '-'], { input: masqueradeRuleset(options), action: 'install masquerade rules' });
};

/** Removes the table, if it is there. */
export const removeMasquerade = async (): Promise<void> => {
  await runTool('nft', ['-f', '-'], { input: `table ${TABLE} {}\ndelete table ${TABLE}\n`, action: 'remove masquerade rules' });
};

