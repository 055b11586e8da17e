import { cidrContains, parseCidr } from '@cilium-ts/core';
import type { Cidr, IpAddress, Logger } from '@cilium-ts/core';
import type { EndedBackend, GuardedService, ServiceApplyReport, Services as KernelServices } from '@cilium-ts/datapath-programs';
import { createLoadBalancer, MOST } from '@cilium-ts/loadbalancer';
import type { LoadBalancer } from '@cilium-ts/loadbalancer';
import type { PolicyDirectory } from '@cilium-ts/policy-model';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { runWords } from '../config/map-sizes.ts';
import type { Settings } from '../config/options.ts';
import type { EndpointTable } from '../endpoint/endpoint-table.ts';
import type { Failpoint } from '../lifecycle/failpoint.ts';
import { createWatchedFolder } from '../source/watched-folder.ts';
import type { FolderSnapshot } from '../source/watched-folder.ts';
import { createDocumentFolder } from '../state/document-folder.ts';
import { ApiServiceRecord, ServiceFileRecord } from '../state/schemas.ts';
import { openApiServiceStore } from './api-service-store.ts';
import type { ApiServiceStore } from './api-service-store.ts';
import { apiServiceObjects, apiSource } from './api-services.ts';
import { createHealth } from './health/health.ts';
import { createLocalEndpoints } from './local-endpoints.ts';
import { createObjectTable } from './object-table.ts';
import type { ObjectTable } from './object-table.ts';
import { createServiceCommits } from './service-commits.ts';
import { createServiceFiles } from './service-files.ts';
import type { ServiceFiles } from './service-files.ts';
import type { ServiceObjects } from './service-objects.ts';
import { createServiceReferences } from './service-references.ts';
import type { ReadServices } from './service-slot.ts';
import { deleteService, explainService, getService, putService } from './service-api.ts';
import { serviceStatus, viewFiles, viewServices } from './services-view.ts';
import { bpfServices } from './service-dump.ts';

/** What the load balancer of the agent works with. */
export interface OpenServicesDeps {
  readonly values: Settings;
  readonly logger: Logger;
  readonly failpoint: Failpoint;
  readonly writer: Pick<KernelServices, 'apply' | 'restored' | 'dump'>;
  readonly endpoints: EndpointTable;
  /** The node's pools of addresses for endpoints. */
  readonly ranges: readonly Cidr[];
  readonly nodeAddresses: () => readonly IpAddress[];
  /** Is told what policies may refer to. */
  readonly directory: PolicyDirectory;
  /** Puts policies in force that refer to something else now; services wait for it, so that a new backend is judged before it is reached. */
  readonly referred: () => Promise<void>;
  /** Told of backends that are gone: what is connected to them has lost them. */
  readonly ended: (backends: readonly EndedBackend[]) => void;
  /** Told of services whose source ranges have changed: they may refuse clients that are connected. */
  readonly guarded: (services: readonly GuardedService[]) => void;
}

const nodeNameOf = (values: Settings): string => values['node-name'] ?? hostname().toLowerCase();

/** The model, with what the settings say. Ids that the kernel has stay with their frontends and backends. */
const openModel = ({ values, writer }: OpenServicesDeps): LoadBalancer => {
  const { low, high } = values['node-port-range'];
  const zone = values['enable-service-topology'] ? values['node-zone'] : undefined;
  const balancer = createLoadBalancer({
    nodeName: nodeNameOf(values), ...(zone !== undefined && { zone }),
    algorithm: values['bpf-lb-algorithm'], maglevTableSize: values['bpf-lb-maglev-table-size'], hashSeed: values['bpf-lb-maglev-hash-seed'],
    nodePortRange: { first: low, last: high }, ipv4: values['enable-ipv4'], ipv6: values['enable-ipv6'], mode: values['bpf-lb-mode'],
    sessionAffinity: values['enable-session-affinity'], sourceRangeAllTypes: values['bpf-lb-source-range-all-types'],
    limits: { services: Math.min(values['bpf-lb-map-max'], MOST.services), frontends: 2 * values['bpf-lb-map-max'], backends: values['bpf-lb-backend-map-max'] - 1, runs: 2 * runWords(values) },
  });
  const { services, backends } = writer.restored;
  balancer.restore({ services: [...services.values()], backends: [...backends.values()] });
  return balancer;
};

/** The sources: the API's documents, and the folder if there is one. */
const openSources = async ({ values, logger }: OpenServicesDeps) => {
  const stateDir = values['state-dir'];
  const aside = join(stateDir, 'set-aside');
  const api = await openApiServiceStore(createDocumentFolder({ folder: join(stateDir, 'service-api'), asideFolder: aside, schema: ApiServiceRecord }), logger);
  const path = values['service-dir'];
  if (path === undefined) return { api, files: undefined, folder: undefined };
  const files = createServiceFiles(path, { records: createDocumentFolder({ folder: join(stateDir, 'service'), asideFolder: aside, schema: ServiceFileRecord }), logger });
  await files.load();
  return { api, files, folder: createWatchedFolder(path, { what: 'service folder', logger }) };
};

const fileSource = (name: string): string => `file ${name}`;

/** What changed in the files since the last call, as changes of the table. */
const createFileChanges = (files: ServiceFiles): (() => Map<string, ServiceObjects | undefined>) => {
  let known = new Map<string, ServiceObjects>();
  return () => {
    const now = new Map(files.files().map(({ name, objects }) => [fileSource(name), objects] as const));
    const changes = new Map<string, ServiceObjects | undefined>([...now].filter(([source, objects]) => known.get(source) !== objects));
    for (const source of known.keys()) if (!now.has(source)) changes.set(source, undefined);
    known = now;
    return changes;
  };
};

const apiChanges = (api: ApiServiceStore, logger: Logger): Map<string, ServiceObjects> => {
  const changes = new Map<string, ServiceObjects>();
  for (const [id, record] of api.all()) {
    try {
      changes.set(apiSource(id), apiServiceObjects(record));
    } catch (error) {
      logger.error({ service: id, error: (error as Error).message }, 'a service given earlier is not valid any more');
    }
  }
  return changes;
};

const tellOf = ({ ended, guarded }: ServiceApplyReport, deps: OpenServicesDeps): void => {
  if (ended.length > 0) deps.ended(ended);
  if (guarded.length > 0) deps.guarded(guarded);
};

/** The addresses of the node that NodePorts are on, whenever somebody asks. */
const nodePortAddresses = ({ values, nodeAddresses }: OpenServicesDeps): (() => readonly IpAddress[]) => {
  const prefixes = values['nodeport-addresses']?.flatMap((text) => parseCidr(text) ?? []);
  return () => nodeAddresses().filter((ip) => prefixes === undefined || prefixes.some((prefix) => cidrContains(prefix, ip)));
};

/** Reads all sources of the load balancer; nothing is in force before it is started. What the kernel holds and no source names goes only then. */
export const openServices = async (deps: OpenServicesDeps): Promise<ReadServices> => {
  const { values, logger, endpoints, writer, failpoint } = deps;
  const [balancer, { api, files, folder }] = [openModel(deps), await openSources(deps)];
  const local = createLocalEndpoints({ nodeName: nodeNameOf(values), byAddress: (ip) => endpoints.byAddress(ip), ranges: deps.ranges });
  const references = createServiceReferences(deps.directory);
  const table: ObjectTable = createObjectTable({ sink: balancer, local, references });
  const health = createHealth({ balancer, probed: () => table.probed(), logger, values });
  const commits = createServiceCommits({
    balancer, writer, nodeAddresses: nodePortAddresses(deps), failpoint, logger,
    committed(report) {
      tellOf(report, deps);
      health.update();
    },
  });
  const commitSoon = (): void => { commits.commit().catch(() => undefined); };
  const fileChanges = files && createFileChanges(files);
  table.update(apiChanges(api, logger));
  if (files && folder && fileChanges) {
    await files.update(await folder.read());
    table.update(fileChanges());
  }
  references.settle();

  const start = async (): Promise<void> => {
    // Endpoints may have come and gone since the sources were read.
    table.refresh(local.all());
    health.start(commitSoon);
    balancer.releaseUnclaimed();
    await commits.commit();
    folder?.watch(async (snapshot: FolderSnapshot) => {
      if (!files || !fileChanges || !(await files.update(snapshot))) return;
      table.update(fileChanges());
      if (references.settle()) await deps.referred();
      await commits.commit();
    });
  };

  const parts = { balancer, table, files, api, commits, health, failpoint };
  return {
    start,
    list: () => viewServices(parts),
    get: (id) => getService(parts, id),
    put: (id, request) => putService(parts, id, request),
    delete: (id) => deleteService(parts, id),
    files: () => viewFiles(values['service-dir'] ?? '', files),
    explain: (flow) => explainService(parts, flow),
    bpf: () => bpfServices(writer.dump()),
    status: () => serviceStatus(parts),
    events: table.events,
    stats: commits.stats,
    refresh(addresses) {
      table.refresh(local.naming(addresses));
      commitSoon();
    },
    async close() {
      folder?.close();
      await commits.close();
      await health.close();
    },
  };
};
