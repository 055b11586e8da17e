import { AgentError } from '../error.ts';
import type { Endpoint } from './endpoint.ts';

/** All endpoints of the node. What is in it is immutable; a change replaces it and is told to those who listen. */
export interface EndpointTable extends Iterable<Endpoint> {
  readonly size: number;
  get(id: number): Endpoint | undefined;
  /** Adds, or replaces the one with this id. */
  put(endpoint: Endpoint): void;
  /** Replaces an endpoint by what `change` makes of it; nothing happens if it is gone. Returns the new one. */
  update(id: number, change: (endpoint: Endpoint) => Endpoint): Endpoint | undefined;
  delete(id: number): boolean;
  bySlot(slot: number): Endpoint | undefined;
  byDevice(index: number): Endpoint | undefined;
  /** Who has this address, as text. */
  byAddress(ip: string): Endpoint | undefined;
  /** By number or one of the named forms of the API (`container-name:web`, `ipv4:10.0.0.7`, …). Throws AgentError `invalid` or `not-found`. */
  find(reference: string): Endpoint;
  /** Called after each change, with what was and what is. */
  listen(listener: (before: Endpoint | undefined, after: Endpoint | undefined) => void): void;
}

const FORMS: Readonly<Record<string, (endpoint: Endpoint, value: string) => boolean>> = {
  'cilium-local': ({ id }, value) => String(id) === value,
  'container-name': ({ record }, value) => record.name === value,
  'container-id': ({ record }, value) => record.containerId === value,
  'pod-name': ({ record }, value) => record.podName === value,
  'cep-name': ({ record }, value) => record.podName === value,
  ipv4: ({ ipv4 }, value) => ipv4?.text === value,
  ipv6: ({ ipv6 }, value) => ipv6?.text === value,
};

const parseReference = (reference: string): { readonly form: string; readonly value: string } => {
  if (/^\d+$/.test(reference)) return { form: 'cilium-local', value: String(Number(reference)) };
  const colon = reference.indexOf(':');
  const form = reference.slice(0, Math.max(colon, 0));
  if (!FORMS[form]) throw new AgentError('invalid', `find endpoint: ${JSON.stringify(reference)} is neither a number nor one of ${Object.keys(FORMS).map((name) => `${name}:…`).join(', ')}`);
  return { form, value: reference.slice(colon + 1) };
};

/** An empty table. */
export const createEndpointTable = (): EndpointTable => {
  const byId = new Map<number, Endpoint>();
  const bySlot = new Map<number, number>();
  const byDevice = new Map<number, number>();
  const byAddress = new Map<string, number>();
  const listeners: ((before: Endpoint | undefined, after: Endpoint | undefined) => void)[] = [];
  const at = (id: number | undefined): Endpoint | undefined => (id === undefined ? undefined : byId.get(id));

  const replace = (id: number, after: Endpoint | undefined): void => {
    const before = byId.get(id);
    if (before) {
      byId.delete(id);
      bySlot.delete(before.slot);
      byDevice.delete(before.record.device.index);
      for (const ip of [before.ipv4, before.ipv6]) if (ip) byAddress.delete(ip.text);
    }
    if (after) {
      byId.set(id, after);
      bySlot.set(after.slot, id);
      byDevice.set(after.record.device.index, id);
      for (const ip of [after.ipv4, after.ipv6]) if (ip) byAddress.set(ip.text, id);
    }
    for (const listener of listeners) listener(before, after);
  };

  return {
    get size() {
      return byId.size;
    },
    [Symbol.iterator]: () => byId.values(),
    get: (id) => byId.get(id),
    put: (endpoint) => { replace(endpoint.id, endpoint); },
    update(id, change) {
      const before = byId.get(id);
      if (!before) return undefined;
      const after = change(before);
      if (after !== before) replace(id, after);
      return after;
    },
    delete(id) {
      const there = byId.has(id);
      if (there) replace(id, undefined);
      return there;
    },
    bySlot: (slot) => at(bySlot.get(slot)),
    byDevice: (index) => at(byDevice.get(index)),
    byAddress: (ip) => at(byAddress.get(ip)),
    find(reference) {
      const { form, value } = parseReference(reference);
      const found = form === 'cilium-local' ? byId.get(Number(value)) : [...byId.values()].find((endpoint) => FORMS[form]!(endpoint, value));
      if (!found) throw new AgentError('not-found', `find endpoint: there is no endpoint ${reference}`);
      return found;
    },
    listen: (listener) => void listeners.push(listener),
  };
};
