import { protocolName } from '@cilium-ts/datapath-layout';

/** A run of a row: everything from one protocol and port to another, in the row's order. */
export interface PositionRun {
  readonly protocol: number;
  readonly fromPort: number;
  readonly toProtocol: number;
  readonly toPort: number;
}

/** What people call a part of a run. */
export interface NamedRun {
  readonly protocol: string;
  readonly ports: string;
}

const LAST_PORT = 65_535;
const LAST_PROTOCOL = 255;

/** A run in parts that each are some ports of one protocol, or all of some protocols. */
export const describeRun = ({ protocol, fromPort, toProtocol, toPort }: PositionRun): NamedRun[] => {
  if (protocol === toProtocol) return [{ protocol: protocolName(protocol), ports: portsOf(fromPort, toPort) }];
  const whole = { first: fromPort === 0 ? protocol : protocol + 1, last: toPort === LAST_PORT ? toProtocol : toProtocol - 1 };
  return [
    ...(fromPort === 0 ? [] : [{ protocol: protocolName(protocol), ports: portsOf(fromPort, LAST_PORT) }]),
    ...(whole.first > whole.last ? [] : [{ protocol: protocolsOf(whole), ports: 'any' }]),
    ...(toPort === LAST_PORT ? [] : [{ protocol: protocolName(toProtocol), ports: portsOf(0, toPort) }]),
  ];
};

const portsOf = (first: number, last: number): string => {
  if (first === 0 && last === LAST_PORT) return 'any';
  return first === last ? String(first) : `${first}-${last}`;
};

const protocolsOf = ({ first, last }: { first: number; last: number }): string => {
  if (first === 0 && last === LAST_PROTOCOL) return 'ANY';
  return first === last ? protocolName(first) : `${first}-${last}`;
};
