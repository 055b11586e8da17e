import { cidrContains, errorMessage, parseIp } from '@cilium-ts/core';
import type { Cidr, Logger } from '@cilium-ts/core';
import { readFileIfThere } from '../state/atomic-file.ts';
import { emptyMasquerade, removeMasquerade } from './masquerade.ts';

/** Connections of the network namespace that netfilter knows. Of this thread, so of the agent's own namespace. */
const CONNTRACK = '/proc/thread-self/net/nf_conntrack';

/**
 * How many connections in a listing of nf_conntrack were opened by an address of the ranges and carry another one outside:
 * their replies go to somebody else than the one who opened them.
 */
export const countMasqueraded = (listing: string, ranges: readonly Cidr[]): number => {
  let count = 0;
  for (const line of listing.split('\n')) {
    const [, source, answered] = /\bsrc=(\S+) .*?\bsrc=\S+ dst=(\S+)/.exec(line) ?? [];
    if (source === undefined || source === answered) continue;
    const ip = parseIp(source);
    if (ip && ranges.some((range) => cidrContains(range, ip))) count++;
  }
  return count;
};

/** Connections that nftables still carries. */
export interface MasqueradeDrain {
  /** Connections left, as last counted; undefined: nobody counts them here. */
  readonly left: number | undefined;
  close(): void;
}

/** Between looks (milliseconds): ever longer, as a listing may be long and connections may be old. */
const LOOK_MS = { first: 1000, most: 30_000 } as const;

/**
 * Lets go of masquerading in nftables: from now on it takes no new connection, but its chain stays, and with it the
 * translation, as long as netfilter knows a connection that it translated. Then the table is removed and `done` called.
 * Where the kernel does not list connections (CONFIG_NF_CONNTRACK_PROCFS) the chain stays until cleanup.
 */
export const drainMasquerade = async (ranges: readonly Cidr[], { logger, done }: { readonly logger: Logger; readonly done: () => void }): Promise<MasqueradeDrain> => {
  await emptyMasquerade();
  let left: number | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  let wait: number = LOOK_MS.first;
  const look = async (): Promise<void> => {
    const listing = await readFileIfThere(CONNTRACK);
    left = listing === undefined ? undefined : countMasqueraded(listing, ranges);
    if (left === undefined) {
      logger.warn({}, 'the kernel does not list its connections: the nftables chain stays, for those that it masqueraded');
      return;
    }
    if (left > 0) {
      schedule();
      return;
    }
    await removeMasquerade();
    logger.info({}, 'no connection is masqueraded by nftables any more; its table is removed');
    done();
  };
  const schedule = (): void => {
    if (closed) return;
    timer = setTimeout(() => {
      look().catch((error: unknown) => {
        logger.error({ error: errorMessage(error) }, 'connections masqueraded by nftables could not be counted');
        schedule();
      });
    }, wait);
    wait = Math.min(LOOK_MS.most, wait * 2);
    timer.unref();
  };
  await look();
  if (left !== undefined && left > 0) logger.info({ connections: left }, 'masquerading moved to eBPF; nftables carries the connections that it has');
  return {
    get left() {
      return left;
    },
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
};
