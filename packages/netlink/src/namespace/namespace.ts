import { closeSync, constants, fstatSync, mkdirSync, openSync } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';

import { NetlinkError, systemError } from '../error.ts';
import { nativeAddon } from '../native.ts';

/** An open network namespace: as long as the handle is open the namespace lives. */
export interface Namespace extends Disposable {
  /** Path it was opened by. */
  readonly path: string;
  /** Open descriptor of the namespace; owned by the handle. */
  readonly fd: number;
  /** Inode on nsfs: what `net:[…]` under /proc shows. */
  readonly inode: number;
  /** `device:inode`, equal for two handles exactly when they are the same living namespace. */
  readonly id: string;
  /**
   * Runs `run` inside the namespace, on this thread, and returns its result. Only what `run` does synchronously runs
   * there, so it must not return a promise (TypeError). Sockets it opens stay in the namespace.
   */
  run<T>(run: () => T): T;
  close(): void;
}

const NAMED = '/run/netns';

/** The path of a namespace given by path (it has a slash) or by name, as `ip netns` names them. */
export const namespacePath = (nameOrPath: string): string => {
  if (nameOrPath === '' || nameOrPath === '.' || nameOrPath === '..') throw new TypeError(`nameOrPath: ${JSON.stringify(nameOrPath)} names no namespace`);
  if (!nameOrPath.includes('/')) return `${NAMED}/${nameOrPath}`;
  return isAbsolute(nameOrPath) ? nameOrPath : resolve(nameOrPath);
};

/** Opens a namespace by name or path. Throws NetlinkError `not-found`, or `not-a-namespace` if the path is something else. */
export const openNamespace = (nameOrPath: string): Namespace => {
  const path = namespacePath(nameOrPath);
  const operation = `open network namespace ${path}`;
  let fd: number;
  try {
    // Not a device or FIFO by mistake: opening it could wait, or do something.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw systemError(error, { operation, path });
  }
  if (!nativeAddon().isNetworkNamespace(fd)) {
    closeSync(fd);
    throw new NetlinkError('not-a-namespace', 'not a network namespace', { operation, path });
  }
  return namespaceHandle(path, fd);
};

const namespaceHandle = (path: string, fd: number): Namespace => {
  const { dev, ino } = fstatSync(fd);
  let open = true;
  const close = (): void => {
    if (open) closeSync(fd);
    open = false;
  };
  const run = <T>(body: () => T): T => {
    if (!open) throw new NetlinkError('closed', 'the namespace handle is closed', { operation: `enter network namespace ${path}`, path });
    return enter(fd, path, body);
  };
  return { path, fd, inode: ino, id: `${dev}:${ino}`, run, close, [Symbol.dispose]: close };
};

/** Marks what the body threw, so that it is not taken for a failure to enter. */
interface Outcome<T> {
  result?: T;
  thrown?: { error: unknown };
}

const enter = <T>(fd: number, path: string, body: () => T): T => {
  const outcome: Outcome<T> = {};
  try {
    nativeAddon().runInNamespace(fd, () => {
      try {
        outcome.result = body();
      } catch (error) {
        outcome.thrown = { error };
      }
    });
  } catch (error) {
    throw systemError(error, { operation: `enter network namespace ${path}`, path });
  }
  if (outcome.thrown) throw outcome.thrown.error;
  if (typeof (outcome.result as { then?: unknown } | undefined)?.then === 'function') throw new TypeError('run: must not return a promise: what is awaited would run outside the namespace');
  return outcome.result as T;
};

/** The namespace the calling thread is in. */
export const currentNamespace = (): Namespace => openNamespace('/proc/thread-self/ns/net');

/**
 * Makes a new network namespace and keeps it alive by a bind mount at the path (or /run/netns/NAME), which must not
 * exist; missing parent folders are made. Its loopback device is down. Needs CAP_SYS_ADMIN. Returns it open.
 */
export const createNamespace = (nameOrPath: string): Namespace => {
  const path = namespacePath(nameOrPath);
  try {
    mkdirSync(dirname(path), { recursive: true });
    nativeAddon().createNamespace(path);
  } catch (error) {
    throw systemError(error, { operation: `create network namespace ${path}`, path });
  }
  return openNamespace(path);
};

/**
 * Removes the bind mount and its file; false if there is none. The namespace ends when nothing else (a process, an open
 * handle) holds it.
 */
export const deleteNamespace = (nameOrPath: string): boolean => {
  const path = namespacePath(nameOrPath);
  try {
    nativeAddon().deleteNamespace(path);
    return true;
  } catch (error) {
    const failure = systemError(error, { operation: `delete network namespace ${path}`, path });
    if (failure.code === 'not-found') return false;
    throw failure;
  }
};

/** Whether two paths (or names) lead to one namespace; the second defaults to the calling thread's own. */
export const isSameNamespace = (nameOrPath: string, other = '/proc/thread-self/ns/net'): boolean => {
  using first = openNamespace(nameOrPath);
  using second = openNamespace(other);
  return first.id === second.id;
};

/**
 * The number that the kernel gives a namespace and never again, which BPF programs know it by: SO_NETNS_COOKIE
 * (Linux 5.14). Of the calling thread's own if `netns` is absent. Throws NetlinkError.
 */
export const namespaceCookie = (netns?: Namespace | string): bigint => {
  if (typeof netns === 'string') {
    using opened = openNamespace(netns);
    return namespaceCookie(opened);
  }
  const read = (): bigint => {
    try {
      return nativeAddon().namespaceCookie();
    } catch (error) {
      throw systemError(error, { operation: `read the cookie of network namespace ${netns?.path ?? '/proc/thread-self/ns/net'}` });
    }
  };
  return netns === undefined ? read() : netns.run(read);
};
