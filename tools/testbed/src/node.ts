import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { startAgent } from './agent.ts';
import type { Agent, AgentOptions } from './agent.ts';
import { makePlace } from './place.ts';
import type { Place } from './place.ts';
import { connectPlainly } from './plain-connection.ts';
import type { PlainAddresses } from './plain-connection.ts';
import type { Bench } from './testbed.ts';

/** A pod: a namespace with nothing but loopback, until an agent or `connectPlainly` gives it a device. */
export type Pod = Place;

/** Where a node's agent finds and keeps its things. */
export interface NodeFolders {
  /** A bpffs of the node's own. */
  readonly bpf: string;
  readonly state: string;
  readonly config: string;
  readonly policies: string;
  readonly services: string;
  readonly socket: string;
  /** Of the traffic of the node and its pods. */
  readonly cgroup: string;
}

/** A node: a namespace with folders of its own. */
export interface TestbedNode extends Place {
  /** Position in the testbed, from 0; numbers its uplink. */
  readonly index: number;
  readonly folders: NodeFolders;
  createPod(name: string): Promise<Pod>;
  /** Connects a pod by a veth pair and routes of the kernel, without any agent. */
  connectPlainly(pod: Pod, addresses: PlainAddresses): Promise<void>;
  /** Runs an agent in the node and waits until it is ready. */
  startAgent(options?: AgentOptions): Promise<Agent>;
}

export const makeNode = async (bench: Bench, name: string, index: number): Promise<TestbedNode> => {
  const folder = join(bench.folder, name);
  const folders: NodeFolders = {
    bpf: join(folder, 'bpf'),
    state: join(folder, 'state'),
    config: join(folder, 'config'),
    policies: join(folder, 'policies'),
    services: join(folder, 'services'),
    socket: join(folder, 'cilium.sock'),
    cgroup: join(bench.cgroup, name),
  };
  for (const path of [folder, folders.bpf, folders.state, folders.config, folders.policies, folders.services, join(folder, 'pods'), folders.cgroup]) mkdirSync(path);
  execFileSync('mount', ['-t', 'bpf', 'bpffs', folders.bpf, '-o', 'mode=0700']);
  const place = await makePlace(bench, name, { path: join(folder, 'netns'), cgroup: folders.cgroup });
  return {
    ...place,
    index,
    folders,
    createPod: (pod) => {
      if (!/^[a-z0-9.-]{1,40}$/i.test(pod)) throw new TypeError(`name: ${JSON.stringify(pod)} is not 1 to 40 letters, digits, dots and dashes`);
      return makePlace(bench, pod, { path: join(folder, 'pods', pod), cgroup: folders.cgroup });
    },
    connectPlainly: (pod, addresses) => connectPlainly(place, pod, addresses),
    startAgent: (options) => startAgent(bench, { netns: place.netns, log: join(folder, 'agent.log'), folders }, options),
  };
};
