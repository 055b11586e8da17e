import type { Aim } from '../generators/packets.ts';
import { PACKETS } from '../generators/packets.ts';
import type { Entry, ProxyAsk } from '../simulator/entry.ts';
import { allEntries } from '../simulator/simulate.ts';
import type { Party, SimPacket, SimRequest } from '../simulator/tables.ts';
import type { Question } from './compare.ts';
import type { Scene } from './load.ts';

/** Numbers by which a question is found that some entry of the policies is about, where there is one. */
export interface Target {
  readonly entry: number;
  readonly subject: number;
  readonly peer: number;
  readonly aim: Aim;
}

const at = <T>(list: readonly T[], number: number): T | undefined => list[number % Math.max(1, list.length)];

/**
 * Most packets between most parties are about nothing in particular. This one is about an entry: between somebody whom
 * it selects and a peer that it means, to a port of its own, with a request that its proxy knows how to read.
 */
export function aimed(scene: Scene, { entry: number, subject: first, peer: second, aim }: Target): Question | undefined {
  const entries = allEntries(scene);
  const proxied = entries.filter((one) => one.proxied);
  // There are not many that need a proxy, and much to be said about each.
  const entry = at(number % 3 > 0 && proxied.length > 0 ? proxied : entries, number >> 2);
  if (entry === undefined) return undefined;
  const subject = at(scene.parties.filter((party) => entry.selects(party)), first);
  const peer = at(scene.parties.filter((party) => entry.matchesPeer(party)), second);
  if (subject === undefined || peer === undefined) return undefined;
  const [from, to] = entry.side === 'egress' ? [subject, peer] : [peer, subject];
  const packet = packetFor(entry, to, aim);
  return packet === undefined ? undefined : { from, to, packet };
}

function packetFor(entry: Entry, receiver: Party, aim: Aim): SimPacket | undefined {
  const packet = at(PACKETS.filter((one) => entry.matchesPort(one, receiver).length > 0), aim.packet);
  if (packet === undefined) return undefined;
  const ask = entry.matchesPort(packet, receiver).find((one) => typeof one !== 'string');
  if (ask === undefined) return packet;
  const request = requestFor(ask, aim);
  return { ...packet, ...(request === undefined ? {} : { request }), ...(ask.serverNames.length > 0 ? aim.serverName : {}) };
}

/** Now and then none: then it is not known what the proxy will say. */
function requestFor({ parser }: ProxyAsk, aim: Aim): SimRequest | undefined {
  if (aim.packet % 8 === 0) return undefined;
  if (parser === 'http' || parser === 'kafka' || parser === 'dns') return aim[parser];
  if (!parser.startsWith('generic:')) return undefined;
  const request = aim.redis;
  return request.kind === 'generic' && aim.packet % 4 > 0 ? { ...request, parser: parser.slice('generic:'.length) } : aim.memcache;
}
