import { errorMessage } from '@cilium-ts/core';
import { namespaceCookie, NetlinkError, openSocketDiagnostics, type InetSocket, type Namespace, type SocketDiagnostics, type SocketProtocol, type SocketState } from '@cilium-ts/netlink';
import { forgetSocket, isStillConnected, socketsOfGoneBackends, type ConnectedSocket, type SocketsMap } from './candidates.ts';

/** What terminateSockets needs. */
export interface TerminationDependencies {
  /** cilium_sockets. */
  readonly sockets: SocketsMap;
  /** Has the backend of this index and generation gone? Asked after its generation was withdrawn from cilium_backends. */
  readonly isGone: (index: number, generation: number) => boolean;
}

/** Where to look, and for what. */
export interface TerminationOptions {
  /** Network namespaces whose sockets are looked through, open or by path or name. Those that have gone are passed over. */
  readonly namespaces: readonly (Namespace | string)[];
  /** Both if absent. */
  readonly protocols?: readonly SocketProtocol[];
}

/** What became of the sockets. */
export interface TerminationReport {
  readonly destroyed: number;
  /** Sockets that are connected to a gone backend and were found in none of the namespaces. */
  readonly left: number;
  /** Namespaces that could not be looked through, or whose sockets could not be destroyed. */
  readonly failures: readonly { readonly namespace: Namespace | string; readonly error: Error }[];
}

/** A connection that is closed on both sides ends by itself. */
const STATES: Readonly<Record<SocketProtocol, readonly SocketState[]>> = {
  tcp: ['established', 'syn-sent', 'syn-received', 'fin-wait-1', 'fin-wait-2', 'close-wait', 'last-ack', 'closing'],
  udp: ['established'],
};
/** From so many backends on, all sockets of a protocol are listed at once, not those of each backend. */
const MANY_BACKENDS = 4;
/** How long a connect(2) that met the backend in its last moment may take to be seen, in milliseconds. */
const CONNECT_MS = 50;

/**
 * Destroys the sockets that were led to a backend that has since gone, and only those: a socket that is connected to the
 * same address by itself is left alone. Their reads and writes fail with ECONNABORTED, so that the application connects
 * anew, to another backend. Sockets that are not connected need none of this: each datagram asks again.
 *
 * Needs CAP_NET_ADMIN in the namespaces and CONFIG_INET_DIAG_DESTROY. Failures are part of the report.
 */
export async function terminateSockets(dependencies: TerminationDependencies, options: TerminationOptions): Promise<TerminationReport> {
  const protocols = options.protocols ?? ['tcp', 'udp'];
  const gone = await socketsOfGoneBackends(dependencies.sockets, dependencies.isGone);
  const candidates = gone.filter(({ protocol }) => protocols.includes(protocol));
  const first = await pass(dependencies.sockets, candidates, options.namespaces);
  // a socket is in the map before its connect(2) has ended
  const left = first.left.filter((socket) => isStillConnected(dependencies.sockets, socket));
  if (left.length === 0) return { ...first, left: 0 };
  await new Promise((resolve) => setTimeout(resolve, CONNECT_MS));
  const second = await pass(dependencies.sockets, left, options.namespaces);
  return {
    destroyed: first.destroyed + second.destroyed,
    left: second.left.filter((socket) => isStillConnected(dependencies.sockets, socket)).length,
    failures: second.failures,
  };
}

interface Pass {
  readonly destroyed: number;
  readonly left: readonly ConnectedSocket[];
  readonly failures: TerminationReport['failures'];
}

async function pass(sockets: SocketsMap, candidates: readonly ConnectedSocket[], namespaces: TerminationOptions['namespaces']): Promise<Pass> {
  const wanted = new Map(candidates.map((socket) => [socket.cookie, socket]));
  const failures: { namespace: Namespace | string; error: Error }[] = [];
  let destroyed = 0;
  for (const namespace of wanted.size === 0 ? [] : namespaces) {
    try {
      using opened = openPlace(namespace, [...wanted.values()]);
      if (opened === undefined) continue;
      for (const [socket, candidate] of await findSockets(opened, [...wanted.values()])) {
        if (await opened.destroy(socket)) destroyed++;
        forgetSocket(sockets, candidate);
        wanted.delete(socket.cookie);
      }
    } catch (error) {
      failures.push({ namespace, error: error instanceof Error ? error : new Error(errorMessage(error)) });
    }
  }
  return { destroyed, left: [...wanted.values()], failures };
}

/** undefined: none of the sockets is in this namespace, or there is no such namespace any more. */
function openPlace(netns: Namespace | string, wanted: readonly ConnectedSocket[]): SocketDiagnostics | undefined {
  try {
    const cookie = namespaceCookie(netns);
    return wanted.some(({ netnsCookie }) => netnsCookie === cookie) ? openSocketDiagnostics({ netns }) : undefined;
  } catch (error) {
    if (error instanceof NetlinkError && error.code === 'not-found') return undefined;
    throw error;
  }
}

/** Those of `wanted` that are in this namespace, and connected where they were led to. */
async function findSockets(diagnostics: SocketDiagnostics, wanted: readonly ConnectedSocket[]): Promise<[InetSocket, ConnectedSocket][]> {
  const byCookie = new Map(wanted.map((socket) => [socket.cookie, socket]));
  const found: [InetSocket, ConnectedSocket][] = [];
  for (const list of await Promise.all(queries(wanted).map((query) => diagnostics.list(query)))) {
    for (const socket of list) {
      const match = byCookie.get(socket.cookie);
      if (match !== undefined && isConnectedTo(socket, match)) found.push([socket, match]);
    }
  }
  return found;
}

function isConnectedTo(socket: InetSocket, wanted: ConnectedSocket): boolean {
  return socket.protocol === wanted.protocol && socket.destination.port === wanted.port && socket.destination.address.text === wanted.address.text;
}

type Query = Parameters<SocketDiagnostics['list']>[0];

function queries(wanted: readonly ConnectedSocket[]): Query[] {
  return (['tcp', 'udp'] as const).flatMap((protocol) => {
    const backends = new Map(wanted.filter((socket) => socket.protocol === protocol).map(({ address, port }) => [`${address.text} ${port}`, { address, port }]));
    const states = STATES[protocol];
    if (backends.size > MANY_BACKENDS) return [{ protocol, states }];
    return [...backends.values()].map((destination) => ({ protocol, states, destination }));
  });
}
