import { describe, expect, it } from 'vitest';
import type { DropEvent } from '@cilium-ts/agent-api';
import type { Connection, Party } from '../src/connection.ts';
import { belongsTo } from '../src/drop-watch.ts';

const party = (name: string, kind: Party['kind'], last: number): Party => ({ name, kind, addresses: { 4: `10.0.0.${last}`, 6: `fd00::${last}` }, services: [], probe: {} as Party['probe'] });
const connection = (fields: Partial<Connection>): Connection => ({ from: party('a', 'pod', 1), to: party('b', 'pod', 2), family: 4, kind: 'TCP', port: 80, localPort: 16_000, ...fields });
const drop = (protocol: string, source: Partial<DropEvent['source']>, destination: Partial<DropEvent['source']>): DropEvent => ({
  type: 'drop', timestamp: '', protocol, direction: 'egress', reason: 133, 'reason-name': 'Policy denied',
  source: { identity: 0, labels: [], ...source }, destination: { identity: 0, labels: [], ...destination },
});

describe('a drop belongs to a connection', () => {
  const cases: readonly { name: string; event: DropEvent; of: Connection; expected: boolean }[] = [
    { name: 'by the ports', event: drop('TCP', { port: 16_000 }, { port: 80 }), of: connection({}), expected: true },
    { name: 'of a later attempt', event: drop('TCP', { port: 16_002 }, { port: 80 }), of: connection({}), expected: true },
    { name: 'of a reply', event: drop('TCP', { port: 80 }, { port: 16_000 }), of: connection({}), expected: true },
    { name: 'not of the next connection', event: drop('TCP', { port: 16_003 }, { port: 80 }), of: connection({}), expected: false },
    { name: 'not of another protocol', event: drop('UDP', { port: 16_000 }, { port: 80 }), of: connection({}), expected: false },
    { name: 'a ping, by the addresses', event: drop('ICMPv6', { ip: 'fd00::1' }, { ip: 'fd00::2' }), of: connection({ kind: 'ICMP', family: 6 }), expected: true },
    { name: 'not a ping the other way', event: drop('ICMP', { ip: '10.0.0.2' }, { ip: '10.0.0.1' }), of: connection({ kind: 'ICMP' }), expected: false },
    { name: 'the reply to a ping', event: { ...drop('ICMP', { ip: '10.0.0.2' }, { ip: '10.0.0.1' }), 'icmp-type': 0 }, of: connection({ kind: 'ICMP' }), expected: true },
    { name: 'not a ping of the other family', event: drop('ICMP', { ip: '10.0.0.1' }, { ip: '10.0.0.2' }), of: connection({ kind: 'ICMP', family: 6 }), expected: false },
    { name: 'a ping from the node, by its identity', event: drop('ICMP', { ip: '10.9.9.9', identity: 1 }, { ip: '10.0.0.2' }), of: connection({ kind: 'ICMP', from: party('node', 'node', 9) }), expected: true },
    { name: 'not a ping from elsewhere', event: drop('ICMP', { ip: '10.9.9.9', identity: 2 }, { ip: '10.0.0.2' }), of: connection({ kind: 'ICMP', from: party('node', 'node', 9) }), expected: false },
  ];
  it.each(cases)('$name', ({ event, of, expected }) => {
    expect(belongsTo(event, of)).toBe(expected);
  });
});
