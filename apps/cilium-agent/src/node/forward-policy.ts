import { z } from 'zod';
import { runTool } from './run-tool.ts';

/** What of `nft -j list chains` matters here. */
const Chains = z.object({
  nftables: z.array(z.object({ chain: z.object({ family: z.string(), table: z.string(), name: z.string(), hook: z.string().optional(), policy: z.string().optional() }).optional() })),
});

/** Chains of others that drop what they do not know, read from nft's JSON. */
export const droppingForwardChains = (json: string): string[] =>
  Chains.parse(JSON.parse(json)).nftables.flatMap(({ chain }) =>
    chain?.hook === 'forward' && chain.policy === 'drop' ? [`${chain.family} ${chain.table} ${chain.name}`] : [],
  );

/** Looks for chains that drop forwarded packets by default; a warning for each, saying what to do. */
export const foreignForwardPolicy = async (): Promise<string[]> => {
  const chains = droppingForwardChains(await runTool('nft', ['-j', 'list', 'chains'], { action: 'look for foreign FORWARD policies' }));
  return chains.map(
    (chain) =>
      `the chain "${chain}" drops forwarded packets by default: traffic between endpoints and the outside will be lost unless it is let through (nft insert rule ${chain} iifname "lxc*" accept; nft insert rule ${chain} oifname "lxc*" accept)`,
  );
};
