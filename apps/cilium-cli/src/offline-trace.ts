import type { TraceDirection, TracePeer, TraceRequest, TraceResult } from '@cilium-ts/agent-api';
import { parseIp } from '@cilium-ts/core';
import { cidrLabels, createIdentityAllocator, createIpCache, createReservedIdentities, numericIdentity, workloadLabels, type Identity } from '@cilium-ts/identity';
import {
  checkEnforceable, createPolicyRepository, DATAPATH_FEATURES, DEFAULT_POLICY_OPTIONS, explain, parsePolicies, parseProtocol, type DirectionExplanation, type EnforcementMode, type PolicyOptions, type PolicyRepository,
} from '@cilium-ts/policy-model';
import { CliError } from './failure.ts';
import type { Io } from './io.ts';
import { formatIssue } from './output/issue.ts';

/** What an agent would have been configured with. */
export interface TraceSettings {
  readonly file: readonly string[];
  readonly enablePolicy: string;
  readonly allowLocalhost: boolean;
  readonly clusterName: string;
}

/** Answers as an agent that holds these files would. Throws {@link CliError}: a file that it would refuse, an end that only a running agent knows. */
export function traceFiles(io: Io, request: TraceRequest, settings: TraceSettings): TraceResult {
  const options = policyOptions(settings);
  const repository = loadFiles(io, settings.file);
  const peer = createPeerResolver(repository, options);
  const [from, to] = [peer('source', request.from), peer('destination', request.to)];
  const port = request.port === undefined ? {} : { port: request.port };
  const icmpType = request['icmp-type'] === undefined ? {} : { icmpType: request['icmp-type'] };
  const { verdict, egress, ingress, text } = explain({ repository, from, to, protocol: parseProtocol(request.protocol ?? 'TCP')!, ...port, ...icmpType, options });
  const end = ({ id, labels }: Identity) => ({ identity: id, labels: labels.toStrings() });
  return { verdict, from: end(from), to: end(to), egress: direction(egress), ingress: direction(ingress), text };
}

const modes: readonly string[] = ['default', 'always', 'never'] satisfies EnforcementMode[];

function policyOptions({ enablePolicy, allowLocalhost, clusterName }: TraceSettings): PolicyOptions {
  if (!modes.includes(enablePolicy)) throw new CliError(`--enable-policy: "${enablePolicy}" is none of ${modes.join(', ')}`, { exitCode: 2 });
  return { ...DEFAULT_POLICY_OPTIONS, enforcement: enablePolicy as EnforcementMode, allowLocalhost, clusterName };
}

function loadFiles(io: Io, paths: readonly string[]): PolicyRepository {
  const repository = createPolicyRepository();
  for (const file of paths.flatMap((path) => io.policyFiles(path))) {
    const { resources, issues: found } = parsePolicies(io.read(file), { file });
    const issues = [...found, ...checkEnforceable(resources, DATAPATH_FEATURES)];
    for (const issue of issues) io.warn(formatIssue(issue));
    if (issues.some(({ severity }) => severity === 'error')) throw new CliError(`policy trace: ${file} is not a file that an agent would accept`);
    for (const resource of resources) repository.upsert(resource);
  }
  return repository;
}

/** Identities as an agent would give them: reserved ones, those of addresses by the prefixes of the rules, and made-up numbers for workloads. */
function createPeerResolver(repository: PolicyRepository, options: PolicyOptions): (side: string, peer: TracePeer) => Identity {
  const reserved = createReservedIdentities(options);
  const ipcache = createIpCache({ ...options, local: createIdentityAllocator({ scope: 'local' }), reserved });
  for (const prefix of repository.prefixes()) ipcache.upsert({ prefix, resource: 'rules', source: 'generated', labels: cidrLabels(prefix, options) });
  let next = 256;
  return (side, peer) => {
    if ('labels' in peer) {
      const labels = workloadLabels(peer.labels, options);
      return reserved.byLabels(labels) ?? { id: numericIdentity(next++), labels };
    }
    if ('ip' in peer) {
      const ip = parseIp(peer.ip);
      if (ip === undefined) throw new CliError(`policy trace: the ${side}'s address "${peer.ip}" is neither an IPv4 nor an IPv6 address`, { exitCode: 2 });
      return ipcache.lookup(ip);
    }
    const known = 'identity' in peer ? reserved.get(peer.identity) : undefined;
    if (known === undefined) throw new CliError(`policy trace: with --file the ${side} is given by its labels or its address; endpoints and their identities are known to a running agent only`, { exitCode: 2 });
    return known;
  };
}

function direction({ verdict, enforced, reason, deciding }: DirectionExplanation): TraceDirection {
  if (deciding === undefined) return { verdict, enforced, reason };
  const { resource, file, line, field } = deciding;
  return { verdict, enforced, reason, rule: { resource, line, field, ...(file === undefined ? {} : { file }) } };
}
