import { PayloadWriter, readAttributes, readNested, readString, readU32 } from '../wire/attributes.ts';
import { Flag } from '../wire/message.ts';
import type { Message, NetlinkRequest } from '../wire/message.ts';
import type { IfIndex } from '../wire/values.ts';

/** A queueing discipline of a device. */
export interface Qdisc {
  readonly link: IfIndex;
  /** `clsact`, `noqueue`, `fq_codel` … */
  readonly kind: string;
  readonly handle: number;
  readonly parent: number;
}

/** A filter of a device. */
export interface Filter {
  readonly link: IfIndex;
  /** Where it hangs: see `TC_PARENT`. */
  readonly parent: number;
  /** `bpf`, `flower` … */
  readonly kind: string;
  readonly handle: number;
  readonly priority: number;
  /** Ethernet protocol (ETH_P_ALL is 3). */
  readonly protocol: number;
  readonly chain: number;
  /** Of a `bpf` filter. */
  readonly bpf: BpfFilter | undefined;
}

/** What is known of a `bpf` filter's program. */
export interface BpfFilter {
  readonly programId: number | undefined;
  readonly name: string | undefined;
  /** Hexadecimal. */
  readonly tag: string | undefined;
  /** The program's return value is the verdict. */
  readonly directAction: boolean;
}

/** Which filters to list. */
export interface FilterQuery {
  readonly link: IfIndex;
  readonly parent: number;
}

/** TC_H_MAKE(TC_H_CLSACT, …) of linux/pkt_sched.h. */
export const TC_PARENT = { clsact: 0xfffffff1, ingress: 0xfffffff2, egress: 0xfffffff3 } as const;

/** Handle that a clsact qdisc always has. */
const CLSACT_HANDLE = 0xffff0000;

/** TCA_* of linux/rtnetlink.h and TCA_BPF_* of linux/pkt_cls.h. */
const Tca = { KIND: 1, OPTIONS: 2, CHAIN: 11 } as const;
const TcaBpf = { NAME: 7, FLAGS: 8, TAG: 10, ID: 11 } as const;
const DIRECT_ACTION = 1;
/** RTM_* of linux/rtnetlink.h. */
const Rtm = { NEWQDISC: 36, DELQDISC: 37, GETQDISC: 38, DELTFILTER: 45, GETTFILTER: 46 } as const;
/** Size of struct tcmsg. */
const SIZE = 20;

/** Reads RTM_NEWQDISC and RTM_DELQDISC. */
export const decodeQdisc = (message: Message): Qdisc | undefined => {
  const { payload } = message;
  if (payload.length < SIZE) return undefined;
  const kind = readString(readAttributes(payload.subarray(SIZE)), Tca.KIND) ?? '';
  return { link: payload.readInt32LE(4) as IfIndex, kind, handle: payload.readUInt32LE(8), parent: payload.readUInt32LE(12) };
};

/** Reads RTM_NEWTFILTER; undefined for the header entry that precedes the filters of a priority. */
export const decodeFilter = (message: Message): Filter | undefined => {
  const filter = decodeFilterEvent(message);
  return filter?.handle === 0 ? undefined : filter;
};

/** Reads RTM_NEWTFILTER and RTM_DELTFILTER; handle 0 stands for all filters of the priority. */
export const decodeFilterEvent = (message: Message): Filter | undefined => {
  const { payload } = message;
  if (payload.length < SIZE) return undefined;
  const attributes = readAttributes(payload.subarray(SIZE));
  const kind = readString(attributes, Tca.KIND) ?? '';
  const options = readNested(attributes, Tca.OPTIONS);
  return {
    link: payload.readInt32LE(4) as IfIndex,
    parent: payload.readUInt32LE(12),
    kind,
    handle: payload.readUInt32LE(8),
    // tcm_info: priority above, Ethernet protocol in network order below.
    priority: payload.readUInt16LE(18),
    protocol: payload.readUInt16BE(16),
    chain: readU32(attributes, Tca.CHAIN) ?? 0,
    bpf:
      kind === 'bpf'
        ? {
            programId: readU32(options, TcaBpf.ID),
            name: readString(options, TcaBpf.NAME),
            tag: options.get(TcaBpf.TAG)?.toString('hex'),
            directAction: ((readU32(options, TcaBpf.FLAGS) ?? 0) & DIRECT_ACTION) !== 0,
          }
        : undefined,
  };
};

const header = (fields: { link?: number; handle?: number; parent?: number; priority?: number; protocol?: number }): Buffer => {
  const bytes = Buffer.alloc(SIZE);
  bytes.writeInt32LE(fields.link ?? 0, 4);
  bytes.writeUInt32LE(fields.handle ?? 0, 8);
  bytes.writeUInt32LE(fields.parent ?? 0, 12);
  bytes.writeUInt16BE(fields.protocol ?? 0, 16);
  bytes.writeUInt16LE(fields.priority ?? 0, 18);
  return bytes;
};

const clsact = (link: IfIndex): Buffer => new PayloadWriter(header({ link, handle: CLSACT_HANDLE, parent: TC_PARENT.clsact })).string(Tca.KIND, 'clsact').finish();

/** Requests on queueing disciplines and filters, for `Netlink.batch`. Filters are attached by `libbpf-napi`. */
export const trafficControlRequests = {
  addClsact: (link: IfIndex): NetlinkRequest => ({ operation: `add clsact to link ${link}`, type: Rtm.NEWQDISC, flags: Flag.CREATE | Flag.EXCL, payload: clsact(link) }),
  /** Takes the filters with it. */
  deleteClsact: (link: IfIndex): NetlinkRequest => ({ operation: `delete clsact of link ${link}`, type: Rtm.DELQDISC, flags: 0, payload: clsact(link) }),
  listQdiscs: (): NetlinkRequest => ({ operation: 'list qdiscs', type: Rtm.GETQDISC, flags: Flag.DUMP, payload: header({}) }),
  listFilters: (query: FilterQuery): NetlinkRequest => ({ operation: `list filters of link ${query.link}`, type: Rtm.GETTFILTER, flags: Flag.DUMP, payload: header(query) }),
  deleteFilter: (filter: Pick<Filter, 'link' | 'parent' | 'handle' | 'priority' | 'protocol' | 'kind'>): NetlinkRequest => ({
    operation: `delete ${filter.kind} filter ${filter.priority} of link ${filter.link}`,
    type: Rtm.DELTFILTER,
    flags: 0,
    payload: new PayloadWriter(header(filter)).string(Tca.KIND, filter.kind).finish(),
  }),
} as const;
