/** A service as all ways of load balancing are given it. */
export interface BenchService {
  /** Without its namespace, which is `bench`. */
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly backends: readonly { readonly address: string; readonly port: number }[];
}

/** What a set of services is made for. */
export interface ServiceSetOptions {
  readonly count: number;
  /** The first two numbers of all service addresses, such as `10.7`. */
  readonly prefix: string;
  /** Where the one service that is used leads. */
  readonly backend: string;
  readonly backendPort: number;
  /** How many the other services have. */
  readonly otherBackends?: number;
}

/** Port of every service. */
export const SERVICE_PORT = 80;

/** How many backends those services have that are not used, unless it is said. */
const OTHER_BACKENDS = 3;

/** Services of which one is used, that in the middle: what a service costs on average where the order matters. */
export function serviceSet({ count, prefix, backend, backendPort, otherBackends = OTHER_BACKENDS }: ServiceSetOptions): { readonly services: readonly BenchService[]; readonly used: BenchService } {
  const middle = count >> 1;
  const services = Array.from({ length: count }, (_, i): BenchService => ({
    name: `service-${i}`,
    address: `${prefix}.${(i + 1) >> 8}.${(i + 1) & 255}`,
    port: SERVICE_PORT,
    backends: i === middle ? [{ address: backend, port: backendPort }] : Array.from({ length: otherBackends }, (_each, k) => ({ address: unusedBackend(i, k), port: backendPort })),
  }));
  return { services, used: services[middle] as BenchService };
}

/** An address that nobody has: one for each backend. */
function unusedBackend(service: number, backend: number): string {
  const number = service * 16 + backend + 1;
  return `11.${number >> 16}.${(number >> 8) & 255}.${number & 255}`;
}
