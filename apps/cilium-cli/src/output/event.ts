import type { DropEvent, MonitorEnd, MonitorEvent, PolicyVerdictEvent, TraceEvent } from '@cilium-ts/agent-api';
import picocolors from 'picocolors';

type Colours = ReturnType<typeof picocolors.createColors>;
type PacketEvent = DropEvent | PolicyVerdictEvent | TraceEvent;

/** One line of text for each event of the monitor, for people. */
export function createEventFormatter({ colours }: { readonly colours: boolean }): (event: MonitorEvent) => string {
  const colour = picocolors.createColors(colours);
  return (event) => `${event.timestamp.slice(11, 23)} ${describe(event, colour)}`;
}

function describe(event: MonitorEvent, colour: Colours): string {
  switch (event.type) {
    case 'start':
      return colour.dim(`monitoring since ${event.since}; ${event.missed} events went by before`);
    case 'lost':
      return colour.yellow(`LOST     ${event.count} events (${event.where === 'kernel' ? 'the ring buffer was full' : 'this reader was too slow'})`);
    case 'agent':
      return colour.cyan(`AGENT    ${event.kind}: ${event.message}`);
    case 'drop':
      return `${colour.red('DROP    ')} ${packet(event)}: ${event['reason-name']} (${event.reason})`;
    case 'policy-verdict':
      return `${verdict(event, colour)} ${packet(event)}: match ${event.match}`;
    case 'trace':
      return `${colour.dim('FORWARD ')} ${packet(event)}: ${event.point} (${event.reason})`;
  }
}

function verdict({ action }: PolicyVerdictEvent, colour: Colours): string {
  const paint = { allow: colour.green, deny: colour.red, audit: colour.yellow }[action];
  return paint(action.toUpperCase().padEnd(8));
}

function packet(event: PacketEvent): string {
  const direction = event.direction === 'unknown' ? '' : `${event.direction} `;
  const flags = event['tcp-flags'] === undefined ? '' : ` ${event['tcp-flags'].join(',')}`;
  const icmp = event['icmp-type'] === undefined ? '' : ` type ${event['icmp-type']} code ${event['icmp-code'] ?? 0}`;
  return `${direction}${event.protocol}${flags}${icmp} ${end(event.source)} -> ${end(event.destination)}`;
}

/** A peer by the best name there is, its address, and the identity that policy sees. */
function end({ ip, port, identity, labels, name }: MonitorEnd): string {
  const host = ip?.includes(':') === true && port !== undefined ? `[${ip}]` : (ip ?? '?');
  const address = port === undefined ? host : `${host}:${port}`;
  const known = name ?? (labels.length > 0 ? labels.join(' ') : 'unknown');
  return `${address} (${known}, identity ${identity})`;
}
