import { NetlinkError } from '../error.ts';
import { openNamespace } from '../namespace/namespace.ts';
import type { NetlinkOptions } from '../netlink.ts';
import { openTransport } from '../transport/transport.ts';
import type { Transport } from '../transport/transport.ts';
import { socketRequests } from './requests.ts';
import type { SocketFilter } from './requests.ts';
import { decodeSocket } from './socket.ts';
import type { InetSocket, SocketIdentity } from './socket.ts';

/** The TCP and UDP sockets of one network namespace. Methods reject with NetlinkError when the kernel refuses. */
export interface SocketDiagnostics extends Disposable {
  /** Those that fit, in no order. A socket that comes or goes meanwhile may be there or not. */
  list(filter: SocketFilter): Promise<readonly InetSocket[]>;
  /**
   * Ends a socket, whoever has it: its reads and writes fail with ECONNABORTED, and the other end of a TCP connection gets a
   * reset. Resolves to false if it was gone, or is not the one that the cookie names. Needs CAP_NET_ADMIN in the namespace and
   * CONFIG_INET_DIAG_DESTROY (otherwise `unsupported`).
   */
  destroy(socket: SocketIdentity): Promise<boolean>;
  /** Fails what is under way with code `closed`. Idempotent. */
  close(): void;
}

/**
 * Opens the socket diagnostics (sock_diag) of a network namespace, the calling thread's own if absent. Needs
 * CAP_SYS_ADMIN to enter another, which it does only while it opens: the handle keeps no hold on the namespace's path.
 * Throws NetlinkError.
 */
export const openSocketDiagnostics = (options: NetlinkOptions = {}): SocketDiagnostics => {
  const { netns } = options;
  // A name is opened here and a Namespace is the caller's: only the former is ours to close.
  using opened = typeof netns === 'string' ? openNamespace(netns) : undefined;
  return diagnostics(openTransport(opened ?? (netns as Exclude<typeof netns, string>), undefined, 'socket diagnostics'));
};

const diagnostics = (transport: Transport): SocketDiagnostics => {
  const close = (): void => transport.close();
  return {
    list: (filter) => list(transport, filter),
    destroy: (socket) => destroy(transport, socket),
    close,
    [Symbol.dispose]: close,
  };
};

const list = async (transport: Transport, filter: SocketFilter): Promise<readonly InetSocket[]> => {
  const ends = [filter.source, filter.destination];
  const families = ([4, 6] as const).filter((family) => {
    if (filter.family !== undefined && filter.family !== family) return false;
    // No IPv4 socket has an IPv6 address.
    return family === 6 || !ends.some((end) => end?.address?.family === 6);
  });
  const requests = families.map((family) => socketRequests.list({ ...filter, family }));
  const answers = await transport.execute(requests);
  return answers.flat().map((message) => decodeSocket(message, filter.protocol)).filter((socket) => socket !== undefined);
};

const destroy = async (transport: Transport, socket: SocketIdentity): Promise<boolean> => {
  try {
    await transport.execute([socketRequests.destroy(socket)]);
    return true;
  } catch (error) {
    // ESTALE: another socket has these ends by now.
    if (error instanceof NetlinkError && (error.code === 'not-found' || error.errnoName === 'ESTALE')) return false;
    throw error;
  }
};
