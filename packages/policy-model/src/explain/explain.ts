import type { Identity } from '@cilium-ts/identity';
import { rowPosition } from '../compile/row.ts';
import type { PolicyOptions } from '../model/options.ts';
import { positionMeaning } from '../model/protocol.ts';
import type { PolicyRepository } from '../repository.ts';
import { explainDirection } from './explain-direction.ts';
import type { Explanation, Packet } from './explanation.ts';
import { formatExplanation } from './format-explanation.ts';

/** The question: may `from` reach `to` with this packet? */
export interface ExplainRequest {
  readonly repository: PolicyRepository;
  readonly from: Identity;
  readonly to: Identity;
  /** IP protocol number; `parseProtocol` reads names. */
  readonly protocol: number;
  /** Destination port, for TCP, UDP and SCTP. */
  readonly port?: number;
  /** For ICMP and ICMPv6. */
  readonly icmpType?: number;
  readonly options: PolicyOptions;
}

/**
 * The verdict of the policies of both sides, with the rule that decides on each, and with every other rule that
 * selects the endpoint and why it does not matter. Evaluates the rules one by one and never looks at compiled rows,
 * so that tests can hold compiler, datapath and this against each other. A side that is no endpoint (the world, the
 * host) has no policy. Throws RangeError for an impossible protocol, port or type.
 */
export function explain(request: ExplainRequest): Explanation {
  const { repository, from, to, options } = request;
  const packet = readPacket(request);
  const rules = repository.all().flatMap((resource) => resource.rules);
  const egress = explainDirection({ direction: 'egress', rules, endpoint: from, peer: to, packet, options });
  const ingress = explainDirection({ direction: 'ingress', rules, endpoint: to, peer: from, packet, options });
  const denied = egress.verdict === 'denied' || ingress.verdict === 'denied';
  const audited = denied && options.auditMode === true;
  const explanation = { from, to, packet, verdict: denied && !audited ? 'denied' : 'allowed', audited, egress, ingress } as const;
  return { ...explanation, text: formatExplanation(explanation) };
}

function readPacket({ protocol, port, icmpType }: ExplainRequest): Packet {
  const meaning = positionMeaning(protocol);
  if (meaning === 'icmp-type') {
    const type = icmpType ?? port ?? 0;
    if (!Number.isInteger(type) || type < 0 || type > 255) throw new RangeError(`icmpType: expected 0 to 255, got ${type}`);
    return { protocol, port: type };
  }
  const number = meaning === 'port' ? (port ?? 0) : 0;
  rowPosition(protocol, number);
  return { protocol, port: number };
}
