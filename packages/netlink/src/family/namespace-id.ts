import type { Namespace } from '../namespace/namespace.ts';
import { PayloadWriter, readAttributes, readS32 } from '../wire/attributes.ts';
import type { Message, NetlinkRequest } from '../wire/message.ts';

/** RTM_* and NETNSA_* of linux/rtnetlink.h and linux/net_namespace.h. */
const Rtm = { NEWNSID: 88, GETNSID: 90 } as const;
const Netnsa = { NSID: 1, FD: 3 } as const;
/** struct rtgenmsg, padded. */
const SIZE = 4;
/** Numbers from 0 up; -1 lets the kernel choose, or says that there is none. */
const NONE = -1;

/** Reads the answer to a request for a namespace's id; undefined if it has none here. */
export const decodeNamespaceId = (message: Message): number | undefined => {
  const id = readS32(readAttributes(message.payload.subarray(SIZE)), Netnsa.NSID);
  return id === undefined || id < 0 ? undefined : id;
};

/** Requests on the numbers by which a namespace knows others, for `Netlink.batch`. */
export const namespaceIdRequests = {
  get: (netns: Namespace): NetlinkRequest => ({
    operation: `get namespace id of ${netns.path}`,
    type: Rtm.GETNSID,
    flags: 0,
    payload: new PayloadWriter(Buffer.alloc(SIZE)).u32(Netnsa.FD, netns.fd).finish(),
  }),
  /** Fails with `exists` if the namespace has an id here, or `id` is another's. */
  set: (netns: Namespace, id?: number): NetlinkRequest => ({
    operation: `set namespace id of ${netns.path}`,
    type: Rtm.NEWNSID,
    flags: 0,
    payload: new PayloadWriter(Buffer.alloc(SIZE)).u32(Netnsa.FD, netns.fd).u32(Netnsa.NSID, id ?? NONE).finish(),
  }),
} as const;
