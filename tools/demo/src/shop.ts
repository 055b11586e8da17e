import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { Service } from './connection.ts';

/** A workload of the example. */
export interface ShopPod {
  readonly name: string;
  readonly namespace: string;
  /** In the text form that the agent takes: `app=frontend`. */
  readonly labels: readonly string[];
  readonly services: readonly Service[];
}

/** The example that the demo runs: workloads, one machine outside, policies as users write them. */
export interface Shop {
  readonly pods: readonly ShopPod[];
  readonly world: { readonly ipv4: string; readonly ipv6: string; readonly services: readonly Service[] };
  /** Policy files by name, such as `frontend.yaml`. */
  readonly policies: ReadonlyMap<string, string>;
  /** A policy that is put in force later, and a TCP connection that it ends. */
  readonly change: { readonly file: string; readonly text: string; readonly from: string; readonly to: string; readonly port: number };
}

/** Reads the policies of a folder, and who plays in its `scene/pods.yaml`. Throws an error that names the file and the field. */
export function readShop(folder: string): Shop {
  const scene = join(folder, 'scene');
  const file = join(scene, 'pods.yaml');
  const document = new Fields(parse(readFileSync(file, 'utf8')), file);
  const world = document.fields('world');
  const change = document.fields('change');
  const policies = readdirSync(folder).filter((name) => name.endsWith('.yaml')).sort();
  return {
    pods: document.list('pods').map((pod) => ({
      name: pod.text('name'), namespace: pod.text('namespace'),
      labels: pod.pairs('labels').map(([key, value]) => `${key}=${value}`), services: services(pod),
    })),
    world: { ipv4: world.text('ipv4'), ipv6: world.text('ipv6'), services: services(world) },
    policies: new Map(policies.map((name) => [name, readFileSync(join(folder, name), 'utf8')])),
    change: {
      file: change.text('file'), text: readFileSync(join(scene, change.text('file')), 'utf8'),
      from: change.text('from'), to: change.text('to'), port: change.port('port'),
    },
  };
}

function services(owner: Fields): Service[] {
  return [
    ...owner.ports('tcp').map((port) => ({ protocol: 'TCP', port }) as const),
    ...owner.ports('udp').map((port) => ({ protocol: 'UDP', port }) as const),
  ];
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

  #error(field: string, message: string): TypeError {
    return new TypeError(`${this.#where}: ${field}: ${message}`);
  }

  text(field: string): string {
    const value = this.#values.get(field);
    if (typeof value === 'string' && value !== '') return value;
    throw this.#error(field, 'expected text');
  }

  port(field: string): number {
    return this.#asPort(this.#values.get(field), field);
  }

  /** Empty where the field is missing. */
  ports(field: string): number[] {
    return this.#values.has(field) ? this.#array(field).map((value, index) => this.#asPort(value, `${field}[${index}]`)) : [];
  }

  fields(field: string): Fields {
    return new Fields(this.#values.get(field), `${this.#where}: ${field}`);
  }

  list(field: string): Fields[] {
    return this.#array(field).map((value, index) => new Fields(value, `${this.#where}: ${field}[${index}]`));
  }

  pairs(field: string): [string, string][] {
    return [...this.fields(field).#values].map(([key, value]) => [key, String(value)]);
  }

  #asPort(value: unknown, field: string): number {
    if (typeof value === 'number' && Number.isInteger(value) && value > 0 && value < 65_536) return value;
    throw this.#error(field, 'expected a port, 1 to 65535');
  }

  #array(field: string): unknown[] {
    const value = this.#values.get(field);
    if (!Array.isArray(value)) throw this.#error(field, 'expected a list');
    return value;
  }
}
