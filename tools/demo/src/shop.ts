import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { Service } from './connection.ts';

/** A workload of the example. */
export interface ShopPod {
  readonly name: string;
  readonly namespace: string;
  /** Its own and its namespace's, in the text form that the agent takes: `app=frontend`. */
  readonly labels: readonly string[];
  readonly services: readonly Service[];
}

/** A machine beyond the node. */
export interface OutsideMachine {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly services: readonly Service[];
}

/** The example that the demo runs: workloads, machines outside, policies as users write them. */
export interface Shop {
  readonly cluster: string;
  readonly pods: readonly ShopPod[];
  readonly nodeServices: readonly Service[];
  readonly outside: readonly OutsideMachine[];
  /** Policy files by name, such as `frontend.yaml`. */
  readonly policies: ReadonlyMap<string, string>;
  /** New versions of some of them. */
  readonly changed: ReadonlyMap<string, string>;
}

/** Reads `pods.yaml`, `policies/` and `changed/` of a folder. Throws an error that names the file and the field. */
export function readShop(folder: string): Shop {
  const file = join(folder, 'pods.yaml');
  const document = new Fields(parse(readFileSync(file, 'utf8')), file);
  const namespaceLabels = new Map(document.list('namespaces').map((namespace) => [namespace.text('name'), namespace.pairs('labels')]));
  return {
    cluster: document.text('cluster'),
    pods: document.list('pods').map((pod) => readPod(pod, namespaceLabels)),
    nodeServices: services(document.fields('node')),
    outside: document.list('outside').map((machine) => ({ name: machine.text('name'), addresses: machine.texts('addresses'), services: services(machine) })),
    policies: yamlFiles(join(folder, 'policies')),
    changed: yamlFiles(join(folder, 'changed')),
  };
}

function yamlFiles(folder: string): Map<string, string> {
  return new Map(readdirSync(folder).filter((name) => name.endsWith('.yaml')).sort().map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
}

function readPod(pod: Fields, namespaceLabels: ReadonlyMap<string, readonly [string, string][]>): ShopPod {
  const namespace = pod.text('namespace');
  const inherited = namespaceLabels.get(namespace);
  if (inherited === undefined) throw pod.error('namespace', `${namespace} is not among the namespaces`);
  const own = pod.pairs('labels').map(([key, value]) => `${key}=${value}`);
  const labels = [...own, ...inherited.map(([key, value]) => `io.cilium.k8s.namespace.labels.${key}=${value}`)];
  return { name: pod.text('name'), namespace, labels, services: services(pod) };
}

function services(owner: Fields): Service[] {
  return owner.list('listen').map((service) => {
    const protocol = service.text('protocol');
    if (protocol !== 'TCP' && protocol !== 'UDP') throw service.error('protocol', 'expected TCP or UDP');
    return { protocol, port: service.port('port') };
  });
}

/** A mapping of the document, and where it stands. */
class Fields {
  readonly #values: Map<string, unknown>;
  readonly #where: string;

  constructor(value: unknown, where: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TypeError(`${where}: expected fields`);
    this.#values = new Map(Object.entries(value));
    this.#where = where;
  }

  error(field: string, message: string): TypeError {
    return new TypeError(`${this.#where}: ${field}: ${message}`);
  }

  text(field: string): string {
    const value = this.#values.get(field);
    if (typeof value === 'string' && value !== '') return value;
    throw this.error(field, 'expected text');
  }

  port(field: string): number {
    const value = this.#values.get(field);
    if (typeof value === 'number' && Number.isInteger(value) && value > 0 && value < 65_536) return value;
    throw this.error(field, 'expected a port, 1 to 65535');
  }

  fields(field: string): Fields {
    return new Fields(this.#values.get(field), `${this.#where}: ${field}`);
  }

  texts(field: string): string[] {
    return this.#array(field).map((value) => {
      if (typeof value !== 'string') throw this.error(field, 'expected a list of texts');
      return value;
    });
  }

  list(field: string): Fields[] {
    return this.#array(field).map((value, index) => new Fields(value, `${this.#where}: ${field}[${index}]`));
  }

  pairs(field: string): [string, string][] {
    return [...this.fields(field).#values].map(([key, value]) => [key, String(value)]);
  }

  #array(field: string): unknown[] {
    const value = this.#values.get(field);
    if (!Array.isArray(value)) throw this.error(field, 'expected a list');
    return value;
  }
}
