import { NetlinkError } from './error.ts';
import { addressRequests, decodeAddress } from './family/address.ts';
import type { Address, AddressKey, AddressSpec } from './family/address.ts';
import { linkRequests } from './family/link-requests.ts';
import type { LinkChanges, VethSpec } from './family/link-requests.ts';
import { decodeLink } from './family/link.ts';
import type { Link } from './family/link.ts';
import { decodeNamespaceId, namespaceIdRequests } from './family/namespace-id.ts';
import { decodeNeighbour, neighbourRequests } from './family/neighbour.ts';
import type { Neighbour, NeighbourSpec } from './family/neighbour.ts';
import { routeRequests } from './family/route-requests.ts';
import type { RouteFilter, RouteSpec } from './family/route-requests.ts';
import { decodeRoute } from './family/route.ts';
import type { Route } from './family/route.ts';
import { decodeRule, ruleRequests } from './family/rule.ts';
import type { Rule, RuleSpec } from './family/rule.ts';
import { decodeFilter, decodeQdisc, trafficControlRequests } from './family/traffic-control.ts';
import type { Filter, FilterQuery, Qdisc } from './family/traffic-control.ts';
import { openNamespace } from './namespace/namespace.ts';
import type { Namespace } from './namespace/namespace.ts';
import { openTransport } from './transport/transport.ts';
import type { Transport } from './transport/transport.ts';
import { watch, watchSubjects } from './watch.ts';
import type { Watch, WatchOptions } from './watch.ts';
import type { Message, NetlinkRequest } from './wire/message.ts';
import type { IfIndex } from './wire/values.ts';

export interface NetlinkOptions {
  /** Namespace to work in, open or by name or path; the calling thread's own if absent. */
  readonly netns?: Namespace | string | undefined;
}

/**
 * An open route socket of one network namespace. Every method rejects with NetlinkError when the kernel refuses; the
 * `delete…` methods resolve to false where there was nothing to delete. Arguments that cannot be right throw TypeError or
 * RangeError at once. Requests are answered in the order they are made.
 */
export interface Netlink extends Disposable {
  /** Every device, or those of a kind. */
  listLinks(filter?: { readonly kind?: string }): Promise<readonly Link[]>;
  /** A device by index or name; undefined if there is none. */
  getLink(link: IfIndex | string): Promise<Link | undefined>;
  /** Makes a pair and returns the end in this namespace. */
  createVeth(spec: VethSpec): Promise<Link>;
  setLink(link: IfIndex | string, changes: LinkChanges): Promise<void>;
  deleteLink(link: IfIndex | string): Promise<boolean>;

  listAddresses(filter?: { readonly link?: IfIndex; readonly family?: 4 | 6 }): Promise<readonly Address[]>;
  addAddress(spec: AddressSpec): Promise<void>;
  replaceAddress(spec: AddressSpec): Promise<void>;
  deleteAddress(address: AddressKey): Promise<boolean>;

  listRoutes(filter?: RouteFilter): Promise<readonly Route[]>;
  addRoute(spec: RouteSpec): Promise<void>;
  replaceRoute(spec: RouteSpec): Promise<void>;
  deleteRoute(spec: RouteSpec): Promise<boolean>;

  listRules(filter?: { readonly family?: 4 | 6 }): Promise<readonly Rule[]>;
  addRule(spec: RuleSpec): Promise<void>;
  deleteRule(spec: RuleSpec): Promise<boolean>;

  listNeighbours(filter?: { readonly link?: IfIndex; readonly family?: 4 | 6 }): Promise<readonly Neighbour[]>;
  addNeighbour(spec: NeighbourSpec): Promise<void>;
  replaceNeighbour(spec: NeighbourSpec): Promise<void>;
  deleteNeighbour(spec: Pick<NeighbourSpec, 'link' | 'address'>): Promise<boolean>;

  listQdiscs(filter?: { readonly link?: IfIndex }): Promise<readonly Qdisc[]>;
  addClsact(link: IfIndex): Promise<void>;
  deleteClsact(link: IfIndex): Promise<boolean>;
  listFilters(query: FilterQuery): Promise<readonly Filter[]>;
  deleteFilter(filter: Filter): Promise<boolean>;

  /** The number by which this namespace knows another; undefined if it has given none. */
  getNamespaceId(netns: Namespace): Promise<number | undefined>;
  /** Gives another namespace a number here (the kernel's choice if absent) and returns it; one that it has stays. */
  assignNamespaceId(netns: Namespace, id?: number): Promise<number>;

  /**
   * Sends several requests in one system call. The kernel takes them in order and goes on after a failure; once all are
   * answered the first failure is thrown, its `requestIndex` being the position.
   */
  batch(requests: readonly NetlinkRequest[]): Promise<void>;

  watchLinks(options?: WatchOptions): Watch<Link>;
  watchAddresses(options?: WatchOptions): Watch<Address>;
  watchRoutes(options?: WatchOptions): Watch<Route>;
  watchNeighbours(options?: WatchOptions): Watch<Neighbour>;
  /** A qdisc that goes takes its filters with it, and a device its qdiscs; of what goes so nothing is told. */
  watchQdiscs(options?: WatchOptions): Watch<Qdisc>;
  /** A filter with handle 0 stands for all filters of its priority. */
  watchFilters(options?: WatchOptions): Watch<Filter>;

  /** Ends the watches opened here and fails what is under way with code `closed`. Idempotent. */
  close(): void;
}

/** Opens a route socket. Needs no privilege for reading, CAP_NET_ADMIN in the namespace for changes, CAP_SYS_ADMIN to enter another. */
export const openNetlink = (options: NetlinkOptions = {}): Netlink => {
  // A descriptor of its own, so that watches can be opened as long as this handle lives, whatever becomes of the path.
  const netns = ownNamespace(options.netns);
  try {
    return netlinkHandle(openTransport(netns), netns);
  } catch (error) {
    netns?.close();
    throw error;
  }
};

const ownNamespace = (netns: Namespace | string | undefined): Namespace | undefined => {
  if (netns === undefined) return undefined;
  return openNamespace(typeof netns === 'string' ? netns : `/proc/self/fd/${netns.fd}`);
};

const netlinkHandle = (transport: Transport, netns: Namespace | undefined): Netlink => {
  const watches = new Set<{ close(): void }>();
  const open = <T>(subject: Parameters<typeof watch<T>>[0], options: WatchOptions = {}): Watch<T> => {
    if (closed) throw new NetlinkError('closed', 'the netlink handle is closed', { operation: 'watch' });
    const opened = watch(subject, netns, options, (ended) => watches.delete(ended));
    if (!options.signal?.aborted) watches.add(opened);
    return opened;
  };
  let closed = false;
  const close = (): void => {
    if (closed) return;
    closed = true;
    [...watches].reverse().forEach((opened) => opened.close());
    transport.close();
    netns?.close();
  };
  return {
    ...linkMethods(transport),
    ...addressMethods(transport),
    ...routeMethods(transport),
    ...neighbourMethods(transport),
    ...trafficControlMethods(transport),
    ...namespaceIdMethods(transport),
    batch: async (requests) => void (await transport.execute(requests)),
    watchLinks: (options) => open(watchSubjects.links, options),
    watchAddresses: (options) => open(watchSubjects.addresses, options),
    watchRoutes: (options) => open(watchSubjects.routes, options),
    watchNeighbours: (options) => open(watchSubjects.neighbours, options),
    watchQdiscs: (options) => open(watchSubjects.qdiscs, options),
    watchFilters: (options) => open(watchSubjects.filters, options),
    close,
    [Symbol.dispose]: close,
  };
};

const change = async (transport: Transport, request: NetlinkRequest): Promise<void> => {
  await transport.execute([request]);
};

const list = async <T>(transport: Transport, request: NetlinkRequest, decode: (message: Message) => T | undefined): Promise<T[]> => {
  const [messages = []] = await transport.execute([request]);
  return messages.map(decode).filter((record) => record !== undefined);
};

/** Absence is an answer, not a failure. */
const orAbsent = async <T, A>(run: Promise<T>, absent: A): Promise<T | A> => {
  try {
    return await run;
  } catch (error) {
    if (error instanceof NetlinkError && error.code === 'not-found') return absent;
    throw error;
  }
};

const remove = async (transport: Transport, request: NetlinkRequest): Promise<boolean> =>
  orAbsent(
    change(transport, request).then(() => true),
    false,
  );

type LinkMethods = Pick<Netlink, 'listLinks' | 'getLink' | 'createVeth' | 'setLink' | 'deleteLink'>;

const linkMethods = (transport: Transport): LinkMethods => ({
  listLinks: (filter) => list(transport, linkRequests.list(filter), decodeLink),
  getLink: async (link) => (await orAbsent(list(transport, linkRequests.get(link), decodeLink), []))[0],
  createVeth: (spec) => {
    // By index where it was chosen: a rename by udev may come between.
    const requests = [linkRequests.createVeth(spec), linkRequests.get(spec.index ?? spec.name)];
    return transport.execute(requests).then(([, messages = []]) => decodeLink(messages[0]!)!);
  },
  setLink: (link, changes) => change(transport, linkRequests.set(link, changes)),
  deleteLink: (link) => remove(transport, linkRequests.delete(link)),
});

type AddressMethods = Pick<Netlink, 'listAddresses' | 'addAddress' | 'replaceAddress' | 'deleteAddress'>;

const addressMethods = (transport: Transport): AddressMethods => ({
  listAddresses: (filter) => orAbsent(list(transport, addressRequests.list(filter), decodeAddress), []),
  addAddress: (spec) => change(transport, addressRequests.add(spec)),
  replaceAddress: (spec) => change(transport, addressRequests.replace(spec)),
  deleteAddress: (spec) => remove(transport, addressRequests.delete(spec)),
});

type RouteMethods = Pick<Netlink, 'listRoutes' | 'addRoute' | 'replaceRoute' | 'deleteRoute' | 'listRules' | 'addRule' | 'deleteRule'>;

const routeMethods = (transport: Transport): RouteMethods => ({
  // A table that has never had a route is answered with ENOENT.
  listRoutes: (filter) => orAbsent(list(transport, routeRequests.list(filter), decodeRoute), []),
  addRoute: (spec) => change(transport, routeRequests.add(spec)),
  replaceRoute: (spec) => change(transport, routeRequests.replace(spec)),
  deleteRoute: (spec) => remove(transport, routeRequests.delete(spec)),
  listRules: (filter) => list(transport, ruleRequests.list(filter), decodeRule),
  addRule: (spec) => change(transport, ruleRequests.add(spec)),
  deleteRule: (spec) => remove(transport, ruleRequests.delete(spec)),
});

type NeighbourMethods = Pick<Netlink, 'listNeighbours' | 'addNeighbour' | 'replaceNeighbour' | 'deleteNeighbour'>;

const neighbourMethods = (transport: Transport): NeighbourMethods => ({
  listNeighbours: (filter) => list(transport, neighbourRequests.list(filter), decodeNeighbour),
  addNeighbour: (spec) => change(transport, neighbourRequests.add(spec)),
  replaceNeighbour: (spec) => change(transport, neighbourRequests.replace(spec)),
  deleteNeighbour: (spec) => remove(transport, neighbourRequests.delete(spec)),
});

type TrafficControlMethods = Pick<Netlink, 'listQdiscs' | 'addClsact' | 'deleteClsact' | 'listFilters' | 'deleteFilter'>;

const trafficControlMethods = (transport: Transport): TrafficControlMethods => ({
  listQdiscs: async (filter = {}) => {
    const all = await list(transport, trafficControlRequests.listQdiscs(), decodeQdisc);
    return filter.link === undefined ? all : all.filter((qdisc) => qdisc.link === filter.link);
  },
  addClsact: (link) => change(transport, trafficControlRequests.addClsact(link)),
  deleteClsact: (link) => removeClsact(transport, link),
  listFilters: (query) => list(transport, trafficControlRequests.listFilters(query), decodeFilter),
  deleteFilter: (filter) => remove(transport, trafficControlRequests.deleteFilter(filter)),
});

/** The kernel answers EINVAL or ENOENT where the device has no clsact, according to version. */
const removeClsact = async (transport: Transport, link: IfIndex): Promise<boolean> => {
  const all = await list(transport, trafficControlRequests.listQdiscs(), decodeQdisc);
  if (!all.some((qdisc) => qdisc.link === link && qdisc.kind === 'clsact')) return false;
  return remove(transport, trafficControlRequests.deleteClsact(link));
};

type NamespaceIdMethods = Pick<Netlink, 'getNamespaceId' | 'assignNamespaceId'>;

const namespaceIdMethods = (transport: Transport): NamespaceIdMethods => {
  const getNamespaceId = async (netns: Namespace): Promise<number | undefined> => (await list(transport, namespaceIdRequests.get(netns), decodeNamespaceId))[0];
  const assignNamespaceId = async (netns: Namespace, id?: number): Promise<number> => {
    try {
      await transport.execute([namespaceIdRequests.set(netns, id)]);
    } catch (error) {
      const present = await getNamespaceId(netns);
      if (present !== undefined) return present;
      throw error;
    }
    return (await getNamespaceId(netns))!;
  };
  return { getNamespaceId, assignNamespaceId };
};
