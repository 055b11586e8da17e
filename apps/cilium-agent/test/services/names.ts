import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Place } from '@cilium-ts/testbed';

/** A frontend to be asked: address, port, protocol. */
export type Asked = readonly [string, number, 'TCP' | 'UDP'];

/** What those who ask heard. */
export interface Heard {
  /** Answers of somebody who was not allowed, since the beginning; the first ones. */
  readonly wrong: readonly { readonly frontend: Asked; readonly number: number; readonly allowed?: readonly number[]; readonly from?: string }[];
  /** Since the last `allow`: answers of who was allowed, connections that came to nothing, frontends not heard of. */
  readonly right: number;
  readonly failed: number;
  readonly unheard: number;
}

/** Asks frontends who they are, without a pause, until closed. */
export interface Asker {
  /** Who may answer each of the frontends what is asked from now on. */
  allow(numbers: readonly (readonly number[])[]): Promise<void>;
  heard(): Promise<Heard>;
  close(): Promise<void>;
}

const SCRIPT = fileURLToPath(new URL('./names.mjs', import.meta.url));

const start = (place: Pick<Place, 'netns'>, cgroup: string | undefined, args: readonly string[]) => {
  const child = spawn('nsenter', [`--net=${place.netns}`, 'setpriv', '--pdeathsig', 'KILL', process.execPath, SCRIPT, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  if (cgroup !== undefined) writeFileSync(join(cgroup, 'cgroup.procs'), String(child.pid));
  const waiting: ((value: unknown) => void)[] = [];
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => {
      resolve();
      for (const wake of waiting.splice(0)) wake(undefined);
    });
  });
  child.stdin.on('error', () => undefined);
  createInterface({ input: child.stdout }).on('line', (line) => waiting.shift()?.(JSON.parse(line)));
  return {
    tell: (value: unknown): Promise<unknown> => new Promise((resolve) => {
      waiting.push(resolve);
      child.stdin.write(`${JSON.stringify(value)}\n`);
    }),
    close: (): Promise<void> => {
      child.stdin.end();
      return ended;
    },
  };
};

/** Opens ports that answer everybody by their number. */
export const startNames = async (place: Pick<Place, 'netns'>, addresses: readonly string[], ports: readonly (readonly ['TCP' | 'UDP', number])[]): Promise<{ close(): Promise<void> }> => {
  const names = start(place, undefined, ['answer', ...addresses]);
  if ((await names.tell(ports)) !== 'answering') throw new Error(`answer in ${place.netns}: the process ended`);
  return names;
};

/** Begins to ask. `allow` as for Asker.allow(). */
export const startAsker = async (place: Pick<Place, 'netns'>, cgroup: string | undefined, { frontends, allow }: { readonly frontends: readonly Asked[]; readonly allow: readonly (readonly number[])[] }): Promise<Asker> => {
  const asker = start(place, cgroup, ['ask']);
  await asker.tell({ frontends, allow });
  return {
    allow: async (numbers) => { await asker.tell({ allow: numbers }); },
    heard: async () => {
      const heard = await asker.tell({ stats: true });
      if (heard === undefined) throw new Error(`ask in ${place.netns}: the process ended`);
      return heard as Heard;
    },
    close: () => asker.close(),
  };
};
