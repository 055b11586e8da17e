import { existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode, errorMessage } from '@cilium-ts/core';
import { attachXdp, openPinnedLink, queryXdp, removePin, type Link, type Program, type XdpMode } from 'libbpf-napi';
import { DatapathError } from '../error.ts';

/** `best-effort`: native where the driver has it, generic elsewhere. */
export type XdpAttachMode = XdpMode | 'best-effort';

/** How a device came to run the program. */
export interface XdpAttachResult {
  readonly mode: XdpMode;
  /** Why it is not native, where that was asked for. */
  readonly fallback: string | undefined;
}

const LINKS = 'links';
const LINK_NAME = /^xdp_(\d+)$/;
/** What a driver answers that has no native XDP, or not as the device is set up. Anything else is no reason for generic XDP. */
const NOT_NATIVE: ReadonlySet<string> = new Set(['EOPNOTSUPP', 'ENOTSUPP', 'ERANGE', 'EINVAL', 'ENOSPC', 'EPERM']);

const linkPath = (bpfRoot: string, ifindex: number): string => join(bpfRoot, LINKS, `xdp_${ifindex}`);

/**
 * Attaches the program to a device of the caller's network namespace by a pinned link. That of a previous run is replaced
 * in place, unless it runs in another mode than the one asked for.
 * @throws DatapathError `attach-failed`: somebody else's program is there, the driver has no native XDP (mode `native`), …
 */
export function attachProgram(bpfRoot: string, ifindex: number, program: Program, mode: XdpAttachMode): XdpAttachResult {
  try {
    mkdirSync(join(bpfRoot, LINKS), { recursive: true, mode: 0o700 });
    const kept = replaceProgram(bpfRoot, ifindex, program, mode);
    return kept === undefined ? attachAnew(bpfRoot, ifindex, program, mode) : { mode: kept, fallback: undefined };
  } catch (cause) {
    throw new DatapathError('attach-failed', `attach the XDP program to device ${ifindex} (${mode}): ${errorMessage(cause)}`, { cause });
  }
}

/** The mode in which a previous run's link now runs the new program; undefined: there is none, or it was taken off. */
function replaceProgram(bpfRoot: string, ifindex: number, program: Program, mode: XdpAttachMode): XdpMode | undefined {
  const path = linkPath(bpfRoot, ifindex);
  if (!existsSync(path)) return undefined;
  using link = openPinnedLink(path);
  const running = modeOf(link, ifindex);
  if (running !== undefined && (mode === 'best-effort' || mode === running)) {
    link.update(program);
    return running;
  }
  if (running !== undefined) link.detach();
  removePin(path);
  return undefined;
}

/** In which mode a link's program runs on this very device; undefined: it does not, the device it was made for is gone. */
function modeOf(link: Link, ifindex: number): XdpMode | undefined {
  if (link.info.ifindex !== ifindex) return undefined;
  const { native, generic } = queryXdp({ ifindex });
  if (native === link.info.programId) return 'native';
  return generic === link.info.programId ? 'generic' : undefined;
}

function attachAnew(bpfRoot: string, ifindex: number, program: Program, mode: XdpAttachMode): XdpAttachResult {
  const pin = (actual: XdpMode): void => {
    using link = attachXdp({ ifindex, program, mode: actual });
    const path = linkPath(bpfRoot, ifindex);
    removePin(`${path}-new`);
    link.pin(`${path}-new`);
    renameSync(`${path}-new`, path);
  };
  if (mode !== 'best-effort') {
    pin(mode);
    return { mode, fallback: undefined };
  }
  try {
    pin('native');
    return { mode: 'native', fallback: undefined };
  } catch (error) {
    if (!NOT_NATIVE.has(errorCode(error) ?? '')) throw error;
    pin('generic');
    return { mode: 'generic', fallback: errorMessage(error) };
  }
}

/** Takes the program off a device; true if it was there. No error when the device is gone. */
export function detachProgram(bpfRoot: string, ifindex: number): boolean {
  const path = linkPath(bpfRoot, ifindex);
  if (!existsSync(path)) return false;
  try {
    using link = openPinnedLink(path);
    const attached = link.info.ifindex !== 0;
    if (attached) link.detach();
    return removePin(path) && attached;
  } catch (cause) {
    throw new DatapathError('attach-failed', `detach the XDP program from device ${ifindex}: ${errorMessage(cause)}`, { cause });
  }
}

/** Devices that links of this or a previous run hold on to, gone ones included. */
export function linkedDevices(bpfRoot: string): number[] {
  const folder = join(bpfRoot, LINKS);
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((name) => {
    const [, ifindex] = LINK_NAME.exec(name) ?? [];
    return ifindex === undefined ? [] : [Number(ifindex)];
  });
}

/** The devices that run the program, with the mode in which they do. */
export function attachedDevices(bpfRoot: string): { readonly ifindex: number; readonly mode: XdpMode }[] {
  return linkedDevices(bpfRoot).flatMap((ifindex) => {
    using link = openPinnedLink(linkPath(bpfRoot, ifindex));
    const mode = link.info.ifindex === 0 ? undefined : modeOf(link, ifindex);
    return mode === undefined ? [] : [{ ifindex, mode }];
  });
}
