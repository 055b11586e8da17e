import { createTable } from '@cilium-ts/reconciler';
import { hasMasquerade, installMasquerade } from '../node/masquerade.ts';
import type { MasqueradeOptions } from '../node/masquerade.ts';
import type { Kept, Kind } from './keeper.ts';

/** The agent's nftables table. */
export interface KeptMasquerade extends Kept {
  readonly options: MasqueradeOptions;
}

const KEY = 'masquerade';

/** The masquerade rules, if there are to be any. nftables is asked only in full passes. */
export const createMasqueradeKind = (options: MasqueradeOptions | undefined): Kind<KeptMasquerade> => {
  const desired = createTable<KeptMasquerade>({ name: KEY, key: ({ key }) => key });
  if (options) desired.upsert({ key: KEY, what: 'nftables table inet cilium', options });
  const whole = async (): Promise<boolean> => options !== undefined && hasMasquerade(options);
  return {
    name: KEY,
    desired,
    present: async () => ((await whole()) ? [KEY] : []),
    async repair(record) {
      if (await whole()) return false;
      await installMasquerade(record.options);
      return true;
    },
  };
};
