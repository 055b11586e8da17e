import { CliError } from './failure.ts';

/** An address and a port on the command line. */
export interface SocketAddress {
  readonly ip: string;
  readonly port: number;
}

/** As people write it: `10.0.0.1:80`, `[fd00::1]:80`. */
export const socketAddress = (ip: string, port: number): string => (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`);

/** Reads `10.0.0.1:80` or `[fd00::1]:80`; without a port only where there is a default. Throws {@link CliError} naming the option. */
export function parseSocketAddress(option: string, text: string, defaults: { readonly port?: number } = {}): SocketAddress {
  const bracketed = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(text);
  const plain = /^([^:\s]+)(?::(\d{1,5}))?$/.exec(text);
  const bare = /^[0-9a-f:]*:[0-9a-f:.]*$/i.test(text) && defaults.port !== undefined ? ([text, text] as const) : undefined;
  const [, ip, port] = bracketed ?? plain ?? bare ?? [];
  const number = port === undefined ? defaults.port : Number(port);
  if (ip === undefined || number === undefined || number > 65_535) throw new CliError(`${option}: "${text}" is not ADDRESS:PORT (10.0.0.1:80, [fd00::1]:80)`, { exitCode: 2 });
  return { ip, port: number };
}
