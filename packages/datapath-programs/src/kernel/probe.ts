import { release } from 'node:os';
import { errorCode, errorMessage } from '@cilium-ts/core';
import type { ObjectName } from '@cilium-ts/datapath-layout';
import { probe, type Feature } from 'libbpf-napi';
import { DatapathError } from '../error.ts';

/** What programs and maps of every object are made of. */
const EVERYWHERE: readonly Feature[] = [
  { kind: 'map', type: 'hash' },
  { kind: 'map', type: 'lru_hash' },
  { kind: 'map', type: 'lpm_trie' },
  { kind: 'map', type: 'percpu_array' },
  { kind: 'map', type: 'ringbuf' },
];

/** What the programs of an object need besides. */
const BY_OBJECT: Readonly<Record<ObjectName, readonly Feature[]>> = {
  bpf_lxc: [
    { kind: 'program', type: 'sched_cls' },
    { kind: 'helper', helper: 'redirect_peer', programType: 'sched_cls' },
    { kind: 'helper', helper: 'skc_lookup_tcp', programType: 'sched_cls' },
    { kind: 'helper', helper: 'jiffies64', programType: 'sched_cls' },
  ],
  bpf_netdev: [
    { kind: 'program', type: 'sched_cls' },
    { kind: 'helper', helper: 'fib_lookup', programType: 'sched_cls' },
    { kind: 'helper', helper: 'redirect_neigh', programType: 'sched_cls' },
    { kind: 'helper', helper: 'skc_lookup_tcp', programType: 'sched_cls' },
    { kind: 'helper', helper: 'jiffies64', programType: 'sched_cls' },
  ],
  bpf_sock: [
    { kind: 'program', type: 'cgroup_sock_addr' },
    { kind: 'program', type: 'cgroup_sock' },
    { kind: 'helper', helper: 'get_netns_cookie', programType: 'cgroup_sock_addr' },
    { kind: 'helper', helper: 'set_retval', programType: 'cgroup_sock_addr' },
  ],
  bpf_xdp: [
    { kind: 'program', type: 'xdp' },
    { kind: 'helper', helper: 'fib_lookup', programType: 'xdp' },
    { kind: 'helper', helper: 'jiffies64', programType: 'xdp' },
  ],
};

const NO_PRIVILEGES = ['EPERM', 'EACCES'];

/**
 * Makes sure that the kernel can run an object at all. Answers are cached by libbpf-napi.
 * @throws DatapathError `not-permitted`, or `feature-missing` naming every missing feature with what would provide it
 */
export function checkFeatures(object: ObjectName): void {
  const missing = [...EVERYWHERE, ...BY_OBJECT[object]].map(ask).filter((reason) => reason !== undefined);
  if (missing.length > 0) throw new DatapathError('feature-missing', `load the datapath: ${missing.join('; ')} (this is Linux ${release()}; 6.1 is the oldest supported)`);
}

function ask(feature: Feature): string | undefined {
  try {
    const answer = probe(feature);
    return answer.supported ? undefined : answer.reason;
  } catch (cause) {
    throw explainLoadFailure(cause);
  }
}

/** A failure to probe or load as an error of this package, with what can be done about it. */
export function explainLoadFailure(cause: unknown): Error {
  if (cause instanceof DatapathError || cause instanceof TypeError || cause instanceof RangeError) return cause;
  const code = errorCode(cause) ?? '';
  if (NO_PRIVILEGES.includes(code) && (process.geteuid?.() ?? 0) !== 0) {
    return new DatapathError('not-permitted', `load the datapath: not permitted for user ${process.geteuid?.()}; run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON`, { cause });
  }
  return new DatapathError('load-failed', `load the datapath on Linux ${release()}: ${errorMessage(cause)}`, { cause });
}
