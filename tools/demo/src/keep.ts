import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Party } from './connection.ts';
import type { Scene } from './scene.ts';
import { heading, line } from './show/print.ts';

/** Leaves the scene running and says what can be done with it. */
export function keepRunning({ testbed, node, parties }: Scene): void {
  testbed.keep();
  for (const party of parties.filter(({ kind }) => kind === 'pod')) leaveServers(party, podNetns(node.folders.socket, party), testbed.folder);
  const cilium = `node apps/cilium-cli/dist/main.js --socket-path ${node.folders.socket}`;
  const [frontend, cart] = [parties.find(({ name }) => name === 'frontend'), parties.find(({ name }) => name === 'cart')];
  heading('It goes on running. Look around, from the root of the repository:');
  for (const command of ['status', 'endpoint list', 'identity list', 'policy get', 'monitor --type drop', 'bpf policy list', 'bpf ct list']) line(`${cilium} ${command}`);
  heading('Policies are in this folder; change one and see what happens:');
  line(node.folders.policies);
  if (frontend !== undefined && cart !== undefined) {
    heading('Be a pod:');
    line(`nsenter --net=${podNetns(node.folders.socket, frontend)} ping -c 3 ${cart.addresses[4]}`);
    line(`nsenter --net=${podNetns(node.folders.socket, frontend)} bash -c 'exec 3<>/dev/tcp/${cart.addresses[4]}/8080 && echo hello >&3 && head -n 1 <&3'`);
  }
  heading('Take it down:');
  line('npm run demo -- --down');
}

/** Where scene.ts has the testbed put the namespace of a pod. */
function podNetns(socket: string, { name }: Party): string {
  return socket.replace(/[^/]*$/, `pods/${name}`);
}

/** Servers that outlive this process, for people to connect to. */
function leaveServers({ services }: Party, netns: string, folder: string): void {
  const ports = services.filter(({ protocol }) => protocol === 'TCP').map(({ port }) => String(port));
  const args = [`--net=${netns}`, process.execPath, process.argv[1] ?? '', 'server', folder, ...ports];
  spawn('nsenter', args, { stdio: 'ignore', detached: true }).unref();
}

/** Serves TCP ports by echoing until `folder` is gone, which is how the demo is taken down. */
export async function serveUntilGone(folder: string, ports: readonly string[]): Promise<void> {
  for (const port of ports) serveEcho(Number(port));
  while (existsSync(folder)) await sleep(500);
  process.exit(0);
}

const RETRY_MS = 200;

/** The process that starts this one still has the port for a moment. */
function serveEcho(port: number): void {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
  server.on('error', () => setTimeout(() => server.listen(port, '::'), RETRY_MS));
  server.listen(port, '::');
}
