/** The transport protocols that services have. */
export type Protocol = 'TCP' | 'UDP' | 'SCTP';

/** All protocols, in the order of lists and messages. */
export const PROTOCOLS: readonly Protocol[] = ['TCP', 'UDP', 'SCTP'];

const NUMBERS: Readonly<Record<Protocol, number>> = { TCP: 6, UDP: 17, SCTP: 132 };

/** The number in the IP header (IANA). */
export function protocolNumber(protocol: Protocol): number {
  return NUMBERS[protocol];
}

/** The protocol of that number, or `undefined`. */
export function protocolOfNumber(number: number): Protocol | undefined {
  return PROTOCOLS.find((protocol) => NUMBERS[protocol] === number);
}
