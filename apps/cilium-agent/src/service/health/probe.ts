import { request } from 'node:http';
import { connect } from 'node:net';

/** How a backend is asked: whether it takes a TCP connection, or whether it answers GET with a status below 400. */
export type ProbeKind = { readonly kind: 'tcp' } | { readonly kind: 'http'; readonly path: string };

/** Whom to ask. */
export interface ProbeTarget {
  readonly address: string;
  readonly port: number;
  readonly probe: ProbeKind;
}

const tcp = ({ address, port }: ProbeTarget, timeoutMs: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host: address, port });
    const settle = (ok: boolean): void => {
      clearTimeout(timer);
      // Reset, so that the probe leaves no TIME_WAIT.
      socket.resetAndDestroy();
      resolve(ok);
    };
    const timer = setTimeout(() => { settle(false); }, timeoutMs);
    socket.once('connect', () => { settle(true); });
    socket.on('error', () => { settle(false); });
  });

const http = ({ address, port }: ProbeTarget, path: string, timeoutMs: number): Promise<boolean> =>
  new Promise((resolve) => {
    const call = request({ host: address, port, path, agent: false, headers: { 'user-agent': 'cilium-agent' } });
    const settle = (ok: boolean): void => {
      clearTimeout(timer);
      call.destroy();
      resolve(ok);
    };
    const timer = setTimeout(() => { settle(false); }, timeoutMs);
    call.once('response', ({ statusCode = 500 }) => { settle(statusCode < 400); });
    call.on('error', () => { settle(false); });
    call.end();
  });

/** Asks once; false for a refusal, a bad answer and none in time. Never throws. */
export const probeOnce = (target: ProbeTarget, timeoutMs: number): Promise<boolean> => (target.probe.kind === 'tcp' ? tcp(target, timeoutMs) : http(target, target.probe.path, timeoutMs));
