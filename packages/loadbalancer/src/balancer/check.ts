import type { EndpointSlice } from '../model/endpoints.ts';
import type { Service } from '../model/service.ts';
import { isPort } from '../plan/options.ts';

/** Longest time-out of session affinity: 24 bits, as in Cilium's maps. */
const MAX_AFFINITY_TIMEOUT = 0xffffff;

/** Throws RangeError that names the field, for a service that could not stand in the maps. */
export function checkService({ frontends, affinityTimeout, healthCheckNodePort }: Service): void {
  for (const { port, id } of frontends) {
    if (!isPort(port)) throw new RangeError(`service.frontends: expected a port 1–65535, got ${port}`);
    if (id !== undefined && !isPort(id)) throw new RangeError(`service.frontends: expected an id 1–65535, got ${id}`);
  }
  if (!Number.isInteger(affinityTimeout) || affinityTimeout < 0 || affinityTimeout > MAX_AFFINITY_TIMEOUT) {
    throw new RangeError(`service.affinityTimeout: expected 0–${MAX_AFFINITY_TIMEOUT} seconds, got ${affinityTimeout}`);
  }
  if (healthCheckNodePort !== undefined && !isPort(healthCheckNodePort)) {
    throw new RangeError(`service.healthCheckNodePort: expected a port 1–65535, got ${healthCheckNodePort}`);
  }
}

/** Throws RangeError that names the field, for endpoints that could not stand in the maps. */
export function checkSlice({ ports, endpoints }: EndpointSlice): void {
  for (const { port } of ports) if (!isPort(port)) throw new RangeError(`slice.ports: expected a port 1–65535, got ${port}`);
  for (const { weight } of endpoints) {
    if (weight === undefined || (Number.isInteger(weight) && weight >= 0 && weight <= 65535)) continue;
    throw new RangeError(`slice.endpoints: expected a weight 0–65535, got ${weight}`);
  }
}
