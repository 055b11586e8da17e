import type { SourceLocation } from '@cilium-ts/manifest';
import { formatLocation } from '@cilium-ts/manifest';
import type { Service } from '../model/service.ts';
import { serviceName } from '../model/service.ts';

/** Stable name of a kind of problem, for programs. */
export type ProblemCode =
  /** Another service has the frontend. */
  | 'conflict'
  /** The id that was asked for is another frontend's. */
  | 'id-taken'
  /** A NodePort outside of the node's range. */
  | 'node-port-range'
  /** An address of a family that is switched off on this node. */
  | 'family-off'
  /** No id is left for a frontend, or no room in the map of frontends. */
  | 'services-full'
  /** Some backends, or all, have no place in the map. */
  | 'backends-full'
  /** The choice of backends has no place in the map. */
  | 'runs-full'
  /** The prefixes have no place in the map: the frontend is not created, since it would be open to everybody. */
  | 'source-ranges-full'
  /** More backends than the Maglev table has places. */
  | 'maglev-too-small'
  /** Backends of an SCTP frontend listen on another port than it has. */
  | 'sctp-port'
  /** There are endpoints, but none with the frontend's port (by name and protocol), or none of its family. */
  | 'no-matching-endpoint'
  /** A local redirect policy that names something that is not there, or not allowed. */
  | 'redirect';

/** Something that keeps a service, or a part of it, from working. The other services are not affected. */
export interface LoadBalancerProblem {
  readonly severity: 'error' | 'warning';
  readonly code: ProblemCode;
  /** Key that its source gave it. */
  readonly key: string;
  /** `namespace/name`. */
  readonly service: string;
  /** The frontend that it is about, as `10.0.0.1:80/TCP`. */
  readonly frontend?: string;
  readonly message: string;
  readonly remedy: string;
  /** Where the service is defined, if that is known. */
  readonly at?: SourceLocation;
}

/** What a problem says; key, service and place are added by the collector. */
export type Finding = Pick<LoadBalancerProblem, 'code' | 'message' | 'remedy'> & { readonly severity?: 'error' | 'warning'; readonly frontend?: string };

/** The problem of a service. */
export function problemOf(key: string, service: Service, finding: Finding): LoadBalancerProblem {
  return { severity: 'error', key, service: serviceName(service), ...finding, ...(service.at === undefined ? {} : { at: service.at }) };
}

/** The problem as one line: `shop.yaml:3: shop/web 10.0.0.1:80/TCP: … (remedy)`. */
export function formatProblem(problem: LoadBalancerProblem): string {
  const place = problem.at === undefined ? '' : `${formatLocation(problem.at)}: `;
  const frontend = problem.frontend === undefined ? '' : ` ${problem.frontend}`;
  return `${place}${problem.severity}: ${problem.service}${frontend}: ${problem.message} (${problem.remedy})`;
}

/** By key, code, frontend and message: the same order whichever way things came about. */
export function compareProblems(a: LoadBalancerProblem, b: LoadBalancerProblem): number {
  const [x, y] = [a, b].map(({ key, code, frontend = '', message }) => [key, code, frontend, message].join('\0')) as [string, string];
  return x < y ? -1 : x > y ? 1 : 0;
}
