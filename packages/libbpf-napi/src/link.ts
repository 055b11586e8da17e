import { checkInteger, checkString, U32_MAX } from './arguments.ts';
import { check, HandleBox, unwrap } from './handle.ts';
import { linkInfo, type LinkInfo } from './link-info.ts';
import { native } from './native.ts';
import type { LinkHandle } from './native-binding.ts';
import { removePin } from './pin.ts';
import type { Program } from './program.ts';

/**
 * The attachment of a program. It lasts as long as something holds it: this handle, or a pin. Close it, or let `using`
 * do so.
 */
export class Link implements Disposable {
  readonly #box: HandleBox<LinkHandle>;
  readonly #what: string;

  /** Use attachTcx, attachXdp, attachCgroup, attachNetns, openPinnedLink or openLinkById. Takes ownership of the handle. */
  constructor(handle: LinkHandle, what: string) {
    this.#box = new HandleBox(handle, what);
    this.#what = what;
  }

  /** Read anew on each access. */
  get info(): LinkInfo {
    return linkInfo(unwrap(native().linkInfo(this.handle('reading link information')), `reading information on ${this.#what}`, { syscall: 'bpf(BPF_OBJ_GET_INFO_BY_FD)' }));
  }

  /** The file descriptor, valid until close(). Do not close it yourself. */
  get fd(): number {
    return native().fd(this.handle('using the descriptor of a link'));
  }

  get closed(): boolean {
    return this.#box.closed;
  }

  /** For other parts of this package. */
  handle(action: string): LinkHandle {
    return this.#box.get(action);
  }

  /**
   * Puts another program in place, atomically: each packet, or call, meets the old one or the new one.
   * @param options.expected only if this program is in place now; otherwise `EPERM`
   * @throws LibbpfError `ENOLINK` when what it was attached to is gone
   */
  update(program: Program, options: { readonly expected?: Program } = {}): void {
    const action = `replacing the program of ${this.#what}`;
    check(native().linkUpdate(this.handle(action), program.handle(action), options.expected?.handle(action)), action, { syscall: 'bpf(BPF_LINK_UPDATE)' });
  }

  /** Ends the attachment now, whoever else holds the link (Linux 5.8); of an XDP link since 5.9. */
  detach(): void {
    const action = `detaching ${this.#what}`;
    check(native().linkDetach(this.handle(action)), action, { syscall: 'bpf(BPF_LINK_DETACH)' });
  }

  /** Keeps the attachment beyond this process, findable at a path on a bpffs. The folder must exist. */
  pin(path: string): void {
    checkString(path, 'path');
    check(native().pin(this.handle('pinning a link'), path), `pinning ${this.#what} at ${path}`, { syscall: 'bpf(BPF_OBJ_PIN)', path });
  }

  /** Removes a pin; false when nothing was there. */
  unpin(path: string): boolean {
    return removePin(path);
  }

  /** Closes the handle; the attachment ends unless it is pinned. Idempotent. */
  close(): void {
    this.#box.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Opens a link by its path on a bpffs. @throws LibbpfError `ENOENT` when nothing is there, `EINVAL` when it is no link */
export const openPinnedLink = (path: string): Link =>
  new Link(unwrap(native().linkGetPinned(checkString(path, 'path')), `opening the pinned link ${path}`, { syscall: 'bpf(BPF_OBJ_GET)', path }), `link ${path}`);

/** Opens a link by its kernel id. @throws LibbpfError `ENOENT` when there is none */
export const openLinkById = (id: number): Link =>
  new Link(unwrap(native().linkById(checkInteger(id, 'id', 1, U32_MAX)), `opening link ${id}`, { syscall: 'bpf(BPF_LINK_GET_FD_BY_ID)' }), `link ${id}`);
