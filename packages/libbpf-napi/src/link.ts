import { checkInteger, checkString, U32_MAX } from './arguments.ts';
import { check, HandleBox, unwrap } from './handle.ts';
import { native } from './native.ts';
import type { LinkHandle } from './native-binding.ts';
import { removePin } from './pin.ts';
import type { Program } from './program.ts';

/** What the kernel says about a link. */
export interface LinkInfo {
  readonly id: number;
  /** enum bpf_link_type of linux/bpf.h: 11 is tcx. */
  readonly type: number;
  readonly programId: number;
  /** Of a tcx link; 0 once its device is gone. */
  readonly ifindex: number;
  /** Of a tcx link. */
  readonly direction: 'ingress' | 'egress' | undefined;
}

// linux/bpf.h since 6.6: enum bpf_link_type, enum bpf_attach_type
const LINK_TYPE_TCX = 11;
const TCX_INGRESS = 46;

/**
 * The attachment of a program. It lasts as long as something holds it: this handle, or a pin. Close it, or let `using`
 * do so.
 */
export class Link implements Disposable {
  readonly #box: HandleBox<LinkHandle>;
  readonly #what: string;

  /** Use attachTcx, openPinnedLink or openLinkById. Takes ownership of the handle. */
  constructor(handle: LinkHandle, what: string) {
    this.#box = new HandleBox(handle, what);
    this.#what = what;
  }

  /** Read anew on each access. */
  get info(): LinkInfo {
    const [type, id, programId, ifindex, attachType] = unwrap(native().linkInfo(this.handle('reading link information')), `reading information on ${this.#what}`, { syscall: 'bpf(BPF_OBJ_GET_INFO_BY_FD)' });
    if (type !== LINK_TYPE_TCX) return { id, type, programId, ifindex: 0, direction: undefined };
    return { id, type, programId, ifindex, direction: attachType === TCX_INGRESS ? 'ingress' : 'egress' };
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

  /** Puts another program in place, atomically: each packet sees the old one or the new one. */
  update(program: Program): void {
    const action = `replacing the program of ${this.#what}`;
    check(native().linkUpdate(this.handle(action), program.handle(action)), action, { syscall: 'bpf(BPF_LINK_UPDATE)' });
  }

  /** Ends the attachment now, whoever else holds the link (Linux 5.8). */
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
