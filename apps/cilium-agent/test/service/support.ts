import type { DesiredServices, ServiceApplyReport, Services } from '@cilium-ts/datapath-programs';

/** A writer that remembers what it was told last, as `frontend → backends` of what new connections may get. */
export interface FakeWriter extends Pick<Services, 'apply' | 'restored' | 'dump'> {
  readonly calls: DesiredServices[];
  failure: Error | undefined;
  report: ServiceApplyReport;
  table(): Record<string, string[]>;
}

const text = ({ address, port }: { readonly address: { readonly text: string; readonly family: 4 | 6 }; readonly port: number }): string => `${address.family === 6 ? `[${address.text}]` : address.text}:${port}`;

export const fakeWriter = (): FakeWriter => {
  const writer: FakeWriter = {
    calls: [],
    failure: undefined,
    report: { changed: true, failures: [], ended: [], guarded: [] },
    restored: { services: new Map(), backends: new Map() },
    apply(desired) {
      if (writer.failure) return Promise.reject(writer.failure);
      writer.calls.push(desired);
      return Promise.resolve(writer.report);
    },
    dump: () => [],
    table() {
      const { services, pools, backends } = writer.calls.at(-1)!.records;
      return Object.fromEntries([...services.values()].filter(({ port }) => port !== 0).map((service) => {
        const run = [...new Set(pools.get(service.pool)?.run ?? [])];
        return [`${text(service)}${service.scope === 'internal' ? '/i' : ''}`, run.map((index) => text(backends.get(index)!)).sort()];
      }));
    },
  };
  return writer;
};

/** A Service and its EndpointSlice as a file has them. */
export const webFile = (options: { readonly name?: string; readonly address?: string; readonly port?: number | string; readonly backends?: readonly string[]; readonly extra?: string } = {}): string => {
  const { name = 'web', address = '10.96.0.10', port = 80, backends = ['10.1.0.1', '10.1.0.2'], extra = '' } = options;
  return `apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: shop}
spec:
  clusterIP: ${address}
  clusterIPs: [${address}]
  ports: [{port: ${port}, targetPort: 8080, protocol: TCP}]
${extra}---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${name}-1, namespace: shop, labels: {kubernetes.io/service-name: ${name}}}
addressType: IPv4
ports: [{name: "", port: 8080, protocol: TCP}]
endpoints: [${backends.map((backend) => `{addresses: [${backend}], conditions: {ready: true}}`).join(', ')}]
`;
};
