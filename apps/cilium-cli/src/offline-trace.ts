import type { TraceCandidate, TraceDirection, TraceL7, TracePeer, TraceRequest, TraceResult, TraceRule } from '@cilium-ts/agent-api';
import { parseIp } from '@cilium-ts/core';
import type { Identity } from '@cilium-ts/identity';
import {
  checkEnforceable, createPolicyRepository, DATAPATH_FEATURES, explainAll, parsePolicies, parseProtocol, PolicyModelError, resolvePeerReference,
  type Candidate, type DirectionExplanation, type EnforcementMode, type KnownIdentity, type L7Request, type PolicyOptions, type PolicyRepository, type RuleReference,
} from '@cilium-ts/policy-model';
import { CliError } from './failure.ts';
import type { Io } from './io.ts';
import { formatIssue } from './output/issue.ts';
import { policyOptions } from './policy-settings.ts';
import { readIdentities } from './policy-sources.ts';
import { readServices } from './service-files.ts';

/** What an agent would have been configured with, and what it would know. */
export interface TraceSettings {
  readonly file: readonly string[];
  readonly enablePolicy: string;
  readonly allowLocalhost: boolean;
  readonly clusterName: string;
  readonly identities?: string;
  readonly services?: string;
  /** Ask also what this version's datapath cannot enforce, as if it could. */
  readonly unenforced?: boolean;
}

/** Answers as an agent that holds these files would. Throws {@link CliError}: a file that it would refuse, an end that only a running agent knows. */
export function traceFiles(io: Io, request: TraceRequest, settings: TraceSettings): TraceResult {
  if (!modes.includes(settings.enablePolicy)) throw new CliError(`--enable-policy: "${settings.enablePolicy}" is none of ${modes.join(', ')}`, { exitCode: 2 });
  const options = policyOptions({ ...settings, enablePolicy: settings.enablePolicy as EnforcementMode });
  const repository = loadFiles(io, settings);
  const identities = settings.identities === undefined ? [] : readIdentities(io, settings.identities, settings.clusterName);
  for (const { id, namedPorts = [] } of identities) repository.directory.setNamedPorts(id, namedPorts);
  if (settings.services !== undefined) readServices(io, settings.services, repository.directory);
  const from = resolveEnd({ repository, identities, options }, 'source', request.from);
  // Labels that nobody is known to have get a number made up, and the two ends not the same one.
  const to = resolveEnd({ repository, identities: [...identities, ...from], options }, 'destination', request.to);
  try {
    const { verdict, telling, text } = explainAll({ repository, from, to, protocol: parseProtocol(request.protocol ?? 'TCP')!, options, ...details(request) });
    return { verdict, from: endView(telling.from), to: endView(telling.to), egress: direction(telling.egress), ingress: direction(telling.ingress), text };
  } catch (error) {
    if (error instanceof RangeError) throw new CliError(`policy trace: ${error.message}`, { exitCode: 2, cause: error });
    throw error;
  }
}

const modes: readonly string[] = ['default', 'always', 'never'] satisfies EnforcementMode[];

function loadFiles(io: Io, { file: paths, unenforced = false }: TraceSettings): PolicyRepository {
  const repository = createPolicyRepository();
  for (const file of paths.flatMap((path) => io.policyFiles(path))) {
    const { resources, issues: found } = parsePolicies(io.read(file), { file });
    const issues = [...found, ...(unenforced ? [] : checkEnforceable(resources, DATAPATH_FEATURES))];
    for (const issue of issues) io.warn(formatIssue(issue));
    if (issues.some(({ severity }) => severity === 'error')) {
      const hint = found.some(({ severity }) => severity === 'error') ? '' : ' (--unenforced asks it nevertheless, as Cilium would)';
      throw new CliError(`policy trace: ${file} is not a file that an agent would accept${hint}`);
    }
    for (const resource of resources) repository.upsert(resource);
  }
  return repository;
}

interface EndContext {
  readonly repository: PolicyRepository;
  readonly identities: readonly KnownIdentity[];
  readonly options: PolicyOptions;
}

function resolveEnd({ repository, identities, options }: EndContext, side: string, peer: TracePeer): readonly Identity[] {
  if ('endpoint' in peer) throw new CliError(`policy trace: with --file the ${side} is given by its labels, its address, a service or a name; endpoints are known to a running agent only`, { exitCode: 2 });
  if ('ip' in peer && parseIp(peer.ip) === undefined) throw new CliError(`policy trace: the ${side}'s address "${peer.ip}" is neither an IPv4 nor an IPv6 address`, { exitCode: 2 });
  try {
    const lookup = (address: { readonly text: string }): Identity | undefined => identities.find(({ addresses = [] }) => addresses.some(({ text }) => text === address.text));
    return resolvePeerReference(peer, { repository, identities, options, lookup }).identities;
  } catch (error) {
    if (error instanceof PolicyModelError) throw new CliError(`policy trace: ${side}: ${error.message}`, { exitCode: 2, cause: error });
    throw error;
  }
}

/** What the question says besides its ends. */
function details(request: TraceRequest) {
  return {
    ...(request.port === undefined ? {} : { port: request.port }),
    ...(request['port-name'] === undefined ? {} : { portName: request['port-name'] }),
    ...(request['icmp-type'] === undefined ? {} : { icmpType: request['icmp-type'] }),
    ...(request['server-name'] === undefined ? {} : { serverName: request['server-name'] }),
    ...(request.l7 === undefined ? {} : { l7: requestOf(request.l7) }),
  };
}

function requestOf(l7: TraceL7): L7Request {
  if ('dns' in l7 || 'generic' in l7) return l7;
  if ('http' in l7) {
    const { method, path, host, headers } = l7.http;
    return { http: { method, path, ...(host === undefined ? {} : { host }), ...(headers === undefined ? {} : { headers }) } };
  }
  const { 'api-key': apiKey, topics } = l7.kafka;
  return { kafka: { apiKey, ...(topics === undefined ? {} : { topics }) } };
}

const endView = ({ id, labels }: Identity) => ({ identity: id, labels: labels.toStrings() });

function ruleView({ column: _, labels, ...rule }: RuleReference): TraceRule {
  return { ...rule, ...(labels === undefined ? {} : { labels: [...labels] }) };
}

function candidateView({ rule, outcome, detail, effect, shadow, l7 }: Candidate): TraceCandidate {
  const { matches, index, ...finding } = l7 ?? { parser: '', detail: '', matches: undefined, index: undefined };
  return {
    rule: ruleView(rule),
    outcome,
    detail,
    ...(effect === undefined ? {} : { effect }),
    ...(shadow === undefined ? {} : { shadow: { why: shadow.why, ...(shadow.by === undefined ? {} : { by: ruleView(shadow.by) }) } }),
    ...(l7 === undefined ? {} : { l7: { ...finding, ...(matches === undefined ? {} : { matches }), ...(index === undefined ? {} : { index }) } }),
  };
}

function direction({ verdict, enforced, reason, deciding, redirect, defaultDeny, log, candidates }: DirectionExplanation): TraceDirection {
  return {
    verdict,
    enforced,
    reason,
    ...(deciding === undefined ? {} : { rule: ruleView(deciding) }),
    ...(redirect === undefined ? {} : { redirect: { parser: redirect.parser, ...(redirect.passes === undefined ? {} : { passes: redirect.passes }), ...(redirect.serverNames === undefined ? {} : { 'server-names': [...redirect.serverNames] }) } }),
    ...(defaultDeny === undefined ? {} : { 'default-deny': { why: defaultDeny.why, rules: defaultDeny.rules.map(ruleView) } }),
    log: [...log],
    candidates: candidates.map(candidateView),
  };
}
