import type { Identity } from '@cilium-ts/identity';
import type { L7Request } from '../l7/request.ts';
import type { PolicyOptions } from '../model/options.ts';
import { MAX_PORT, positionMeaning, protocolName } from '../model/protocol.ts';
import { explainDirection } from './explain-direction.ts';
import type { DirectionExplanation, Explanation, Packet } from './explanation.ts';
import type { ExplanationJson } from './explanation-json.ts';
import { explanationJson } from './explanation-json.ts';
import { formatExplanation } from './format-explanation.ts';
import type { KnownPort, PolicySource } from './policy-source.ts';
import type { ConnectionFacts } from './proxy.ts';

/** The question: may `from` reach `to` with this packet? */
export interface ExplainRequest {
  readonly repository: PolicySource;
  readonly from: Identity;
  readonly to: Identity;
  /** IP protocol number; `parseProtocol` reads names. */
  readonly protocol: number;
  /** Destination port, for TCP, UDP and SCTP. */
  readonly port?: number;
  /** Instead of a number: a name that the destination's containers give to a port. */
  readonly portName?: string;
  /** For ICMP and ICMPv6. */
  readonly icmpType?: number;
  /** A request over the connection, for rules of layer 7. */
  readonly l7?: L7Request;
  /** The name in the TLS handshake, for rules about server names. */
  readonly serverName?: string;
  /** Named ports of the destination itself, where endpoints of its identity differ. Default: those of its identity. */
  readonly namedPorts?: readonly KnownPort[];
  readonly options: PolicyOptions;
}

/**
 * The verdict of the policies of both sides, with the rule that decides on each, and with every other rule that
 * selects the endpoint and why it does not matter. Evaluates the rules one by one and never looks at compiled rows,
 * so that tests can hold compiler, datapath and this against each other. A side that is no endpoint (the world, the
 * host without host firewall) has no policy. Where a proxy takes the connection and the question holds no request, the
 * verdict is that of the connection. Throws RangeError for an impossible protocol, port, type or name of a port.
 */
export function explain(request: ExplainRequest): Explanation {
  const { repository, from, to, options, l7, serverName } = request;
  const facts = { l7, serverName };
  const packet = readPacket(request);
  const question = { source: repository, from, to, packet, facts, options, namedPorts: request.namedPorts };
  const egress = explainDirection(question, 'egress');
  const ingress = explainDirection(question, 'ingress');
  const denied = (egress.verdict === 'denied' ? 1 : 0) + (ingress.verdict === 'denied' ? 1 : 0);
  // What a proxy refuses, it refuses in audit mode too.
  const audited = options.auditMode === true && denied > 0 && ![egress, ingress].some(({ verdict, action }) => verdict === 'denied' && action === 'allow');
  const verdict = denied > 0 && !audited ? 'denied' : 'allowed';
  return new ExplanationView({ from, to, packet, verdict, audited, egress, ingress }, facts, options);
}

type Verdict = Omit<Explanation, 'text' | 'l7' | 'serverName'>;

/** A class for its getter: the text is made when it is read, since most verdicts are only counted or compared. */
class ExplanationView implements Explanation {
  readonly from: Identity;
  readonly to: Identity;
  readonly packet: Packet;
  declare readonly l7?: L7Request;
  declare readonly serverName?: string;
  readonly verdict: Explanation['verdict'];
  readonly audited: boolean;
  readonly egress: DirectionExplanation;
  readonly ingress: DirectionExplanation;
  readonly #options: PolicyOptions;
  #text: string | undefined;

  constructor({ from, to, packet, verdict, audited, egress, ingress }: Verdict, { l7, serverName }: ConnectionFacts, options: PolicyOptions) {
    this.from = from;
    this.to = to;
    this.packet = packet;
    if (l7 !== undefined) this.l7 = l7;
    if (serverName !== undefined) this.serverName = serverName;
    this.verdict = verdict;
    this.audited = audited;
    this.egress = egress;
    this.ingress = ingress;
    this.#options = options;
  }

  get text(): string {
    return (this.#text ??= formatExplanation(this, this.#options));
  }

  toJSON(): ExplanationJson {
    return explanationJson(this);
  }
}

function readPacket(request: ExplainRequest): Packet {
  const { protocol, port = 0, icmpType = port } = request;
  checkNumber('protocol', protocol, 255);
  const meaning = positionMeaning(protocol);
  if (meaning === 'icmp-type') {
    checkNumber('icmpType', icmpType, 255);
    return { protocol, port: icmpType };
  }
  if (meaning === 'none') return { protocol, port: 0 };
  const number = request.portName === undefined ? port : namedPort(request, request.portName);
  checkNumber('port', number, MAX_PORT);
  return { protocol, port: number };
}

function namedPort({ repository, to, protocol, namedPorts }: ExplainRequest, name: string): number {
  const known = namedPorts ?? repository.directory?.namedPorts(to.id) ?? [];
  const numbers = [...new Set(known.filter((one) => one.name === name.toLowerCase() && one.protocol === protocol).map(({ port }) => port))];
  if (numbers.length === 1) return numbers[0]!;
  const found = numbers.length === 0 ? 'has no port of that name' : `has ${numbers.join(', ')} under that name; give one of them`;
  throw new RangeError(`portName: the destination ${found} (${JSON.stringify(name)}, ${protocolName(protocol)})`);
}

function checkNumber(name: string, value: number, most: number): void {
  if (!Number.isInteger(value) || value < 0 || value > most) throw new RangeError(`${name}: expected 0 to ${most}, got ${value}`);
}
