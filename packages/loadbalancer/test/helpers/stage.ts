import { parseIp } from '@cilium-ts/core';
import type { BackendRecord, LoadBalancer, LoadBalancerOptions, PoolRecord, RestoredIds, Selection, ServiceIssue, ServiceRecord } from '../../src/index.ts';
import { createLoadBalancer, parseServices, protocolOfNumber, SERVICE_FLAGS, WILDCARD_IDS } from '../../src/index.ts';
import { parseTuple } from './scenario.ts';

/** A balancer fed from files, and a mirror that knows it by its changes alone. */
export interface Stage {
  readonly balancer: LoadBalancer;
  readonly mirror: Mirror;
  issues(): readonly ServiceIssue[];
  setFile(name: string, text: string): void;
  setHealth(backend: string, state: 'active' | 'quarantined'): void;
  setNodeAddresses(addresses: readonly string[]): void;
  /** A new balancer with the ids of this one. */
  restart(): void;
  releaseUnclaimed(): void;
}

/** What a reader of `take()` has. */
export interface Mirror {
  readonly services: Map<number, ServiceRecord>;
  readonly pools: Map<number, PoolRecord>;
  readonly backends: Map<number, BackendRecord>;
}

interface FileContent {
  readonly text: string;
  readonly issues: readonly ServiceIssue[];
  /** How to take each object back. */
  readonly remove: ReadonlyMap<string, () => void>;
}

export function createStage(options: LoadBalancerOptions): Stage {
  let balancer = createLoadBalancer(options);
  let mirror = emptyMirror();
  let files = new Map<string, FileContent>();
  let nodeAddresses: readonly string[] = [];
  const health = new Map<string, 'active' | 'quarantined'>();
  const stage: Stage = {
    get balancer() {
      return balancer;
    },
    get mirror() {
      return mirror;
    },
    issues: () => [...files.values()].flatMap(({ issues }) => issues),
    setFile(name, text) {
      const before = files.get(name)?.remove ?? new Map<string, () => void>();
      const content = load(balancer, name, text);
      for (const [key, remove] of before) if (!content.remove.has(key)) remove();
      files.set(name, content);
    },
    setHealth(backend, state) {
      health.set(backend, state);
      balancer.setHealth(parseTuple(backend), state);
    },
    setNodeAddresses(addresses) {
      nodeAddresses = addresses;
      balancer.setNodeAddresses(addresses.map((text) => parseIp(text)!));
    },
    restart() {
      const before = files;
      const ids = foundIds(mirror);
      balancer = createLoadBalancer(options);
      balancer.restore(ids);
      mirror = emptyMirror();
      files = new Map();
      // In another order than before: ids must not depend on it.
      for (const [name, { text }] of [...before].reverse()) stage.setFile(name, text);
      for (const [backend, state] of health) stage.setHealth(backend, state);
      stage.setNodeAddresses(nodeAddresses);
    },
    releaseUnclaimed: () => balancer.releaseUnclaimed(),
  };
  return stage;
}

function load(balancer: LoadBalancer, file: string, text: string): FileContent {
  const { services, slices, pods, redirects, issues } = parseServices(text, { file });
  const remove = new Map<string, () => void>();
  for (const service of services) {
    balancer.upsertService(service.key, service);
    remove.set(service.key, () => balancer.removeService(service.key));
  }
  for (const slice of slices) {
    balancer.setEndpoints(slice.key, slice);
    remove.set(slice.key, () => balancer.removeEndpoints(slice.key));
  }
  for (const pod of pods) {
    balancer.setPod(pod.key, pod);
    remove.set(pod.key, () => balancer.removePod(pod.key));
  }
  for (const redirect of redirects) {
    balancer.setRedirect(redirect.key, redirect);
    remove.set(redirect.key, () => balancer.removeRedirect(redirect.key));
  }
  return { text, issues, remove };
}

function foundIds({ services, backends }: Mirror): RestoredIds {
  return { services: [...services.values()].filter(({ id }) => id < WILDCARD_IDS), backends: [...backends.values()] };
}

/** A mirror that has seen nothing. */
export function emptyMirror(): Mirror {
  return { services: new Map(), pools: new Map(), backends: new Map() };
}

/** Brings the mirror up to date; returns how many ids changed. */
export function followChanges({ balancer, mirror }: Stage) {
  return applyChanges(balancer, mirror);
}

/** Applies what changed since the last call to a mirror. */
export function applyChanges(balancer: LoadBalancer, mirror: Mirror) {
  const records = balancer.records();
  const changes = balancer.take();
  for (const table of ['services', 'pools', 'backends'] as const) {
    for (const id of changes[table]) {
      const record = records[table].get(id);
      if (record === undefined) mirror[table].delete(id);
      else (mirror[table] as Map<number, typeof record>).set(id, record);
    }
  }
  return { services: changes.services.size, pools: changes.pools.size, backends: changes.backends.size };
}

/** The frontends as a table: `10.0.0.1:80/TCP internal FLAG+FLAG 60s = backend*2 backend (backend state)`. */
export function frontendTable(mirror: Mirror): readonly string[] {
  return [...mirror.services.values()].map((service) => frontendLine(service, mirror)).sort();
}

function frontendLine(service: ServiceRecord, mirror: Mirror): string {
  if (service.id >= WILDCARD_IDS) return `${host(service)}:* wildcard`;
  const flags = Object.entries(SERVICE_FLAGS).flatMap(([name, bit]) => ((service.flags & bit) === 0 ? [] : [name]));
  const parts = [
    frontendName(service),
    ...(flags.length === 0 ? [] : [flags.join('+')]),
    ...(service.affinityTimeout === 0 ? [] : [`${service.affinityTimeout}s`]),
    ...(service.sourceRanges.length === 0 ? [] : [`[${service.sourceRanges.map(({ text }) => text).join(' ')}]`]),
    '=',
    ...backendsOf(service, mirror),
  ];
  return parts.join(' ');
}

/** `10.0.0.1:80/TCP`, with ` internal` behind where that is the scope. */
export function frontendName(service: ServiceRecord): string {
  const name = `${host(service)}:${service.port}/${protocolOfNumber(service.protocol)}`;
  return service.scope === 'internal' ? `${name} internal` : name;
}

function backendsOf(service: ServiceRecord, mirror: Mirror): readonly string[] {
  const run = mirror.pools.get(service.pool)!.run;
  const counts = new Map<number, number>();
  for (const index of run) counts.set(index, (counts.get(index) ?? 0) + 1);
  const maglev = (service.flags & SERVICE_FLAGS.MAGLEV) !== 0;
  const members = [...mirror.backends.values()].filter(({ pool }) => pool === service.pool);
  return members
    .sort((a, b) => (`${host(a)}:${a.port}` < `${host(b)}:${b.port}` ? -1 : 1))
    .map((backend) => {
      const count = counts.get(backend.index) ?? 0;
      if (count === 0) return `(${host(backend)}:${backend.port} ${backend.state})`;
      return `${host(backend)}:${backend.port}${count > 1 && !maglev ? `*${count}` : ''}`;
    });
}

export function host({ address }: { readonly address: { readonly family: 4 | 6; readonly text: string } }): string {
  return address.family === 6 ? `[${address.text}]` : address.text;
}

/** `10.0.1.1:8080`, or the verdict. */
export function selectionText(selection: Selection): string {
  if (selection.verdict === 'backend') return `${host(selection.backend)}:${selection.backend.port}`;
  return selection.verdict === 'refused' ? `refused ${selection.reason}` : selection.verdict;
}

/** How large a part of the run each backend of a frontend has. */
export function sharesOf(frontend: string, mirror: Mirror): Readonly<Record<string, number>> {
  const service = [...mirror.services.values()].find((record) => record.id < WILDCARD_IDS && frontendName(record) === frontend);
  if (service === undefined) throw new Error(`there is no frontend ${frontend}`);
  const run = mirror.pools.get(service.pool)!.run;
  const shares: Record<string, number> = {};
  for (const index of run) {
    const backend = mirror.backends.get(index)!;
    const name = `${host(backend)}:${backend.port}`;
    shares[name] = (shares[name] ?? 0) + 1 / run.length;
  }
  return shares;
}
