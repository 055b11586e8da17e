import type { CgroupAttachType } from 'libbpf-napi';

/**
 * The programs of bpf_sock with what they are attached as, in the order of attaching: what a socket hears is translated
 * before anything it says is. Sockets of IPv6 speak to IPv4 addresses too, so no family is left out.
 */
export const SOCKET_HOOKS = [
  ['cil_sock_release', 'sock_release'],
  ['cil_sock4_recvmsg', 'recvmsg4'],
  ['cil_sock6_recvmsg', 'recvmsg6'],
  ['cil_sock4_getpeername', 'getpeername4'],
  ['cil_sock6_getpeername', 'getpeername6'],
  ['cil_sock4_sendmsg', 'sendmsg4'],
  ['cil_sock6_sendmsg', 'sendmsg6'],
  ['cil_sock4_connect', 'connect4'],
  ['cil_sock6_connect', 'connect6'],
  ['cil_sock4_post_bind', 'post_bind4'],
  ['cil_sock6_post_bind', 'post_bind6'],
] as const satisfies readonly (readonly [program: string, type: CgroupAttachType])[];

/** The name of a program of bpf_sock. */
export type SocketProgramName = (typeof SOCKET_HOOKS)[number][0];

/** All of them. */
export const SOCKET_PROGRAMS: readonly SocketProgramName[] = SOCKET_HOOKS.map(([program]) => program);
