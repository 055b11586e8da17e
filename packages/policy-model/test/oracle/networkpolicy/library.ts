import type { Identity } from '@cilium-ts/identity';
import type { CompiledPolicy } from '../../../src/index.ts';
import { compilePolicy, explain, lookupRow, rowForPeer } from '../../../src/index.ts';
import { load } from '../library/load.ts';
import type { Loaded } from '../library/load.ts';
import type { Json, SimOptions } from '../simulator/tables.ts';
import { ENDPOINTS, EVERYBODY, partyOf } from './cluster.ts';
import type { Connection, Endpoint, Verdicts } from './strict.ts';

/** Options of a cluster that runs Kubernetes: the node may reach its pods. */
export const OPTIONS: SimOptions = { enforcement: 'default', allowLocalhost: true, ipv4: true, ipv6: true, clusterName: 'default', defaultLocalCluster: true };

const PARTIES = new Map(EVERYBODY.map((endpoint) => [endpoint, partyOf(endpoint)]));

/** What the library says about NetworkPolicies in {@link ENDPOINTS}' cluster: rows and explanation, which must agree. */
export function libraryOf(policies: readonly Json[], options: SimOptions = OPTIONS, endpoints: readonly Endpoint[] = ENDPOINTS): (connection: Connection) => Verdicts {
  const loaded = load({ documents: policies, parties: endpoints.map((endpoint) => PARTIES.get(endpoint)!), tables: { services: [], names: [], groups: [] }, options });
  const compiled = new Map<Identity, CompiledPolicy>();
  const policyOf = (subject: Identity): CompiledPolicy => {
    const known = compiled.get(subject) ?? compilePolicy({ repository: loaded.repository, subject, identities: loaded.identities, options });
    compiled.set(subject, known);
    return known;
  };
  return ({ from, to, packet }) => {
    const [source, target] = [identityOf(loaded, from), identityOf(loaded, to)];
    const explained = explain({ repository: loaded.repository, from: source, to: target, protocol: packet.protocol, port: packet.port, icmpType: packet.port, options });
    const verdict = (side: 'egress' | 'ingress', subject: Identity, peer: Identity): boolean => {
      const told = explained[side].verdict === 'allowed';
      if (explained[side].reason === 'no-endpoint') return true;
      const found = lookupRow(rowForPeer(policyOf(subject)[side], peer.id), packet.protocol, packet.port).action === 'allow';
      if (found !== told) throw new Error(`rows say ${found}, the explanation ${told}: ${explained.text}`);
      return told;
    };
    return { egress: verdict('egress', source, target), ingress: verdict('ingress', target, source) };
  };
}

function identityOf(loaded: Loaded, endpoint: Endpoint): Identity {
  return loaded.byParty.get(PARTIES.get(endpoint)!)!;
}
