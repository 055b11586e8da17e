import { parseCidr, parseIp, parseMac } from '@cilium-ts/core';
import { createNamespace, deleteNamespace, ifIndex, openNetlink, writeSysctl, type IfIndex, type Namespace } from '@cilium-ts/netlink';
import { attachTc, createClsact } from 'libbpf-napi';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { device, type Pod, type Policy, type Sandbox } from './sandbox.ts';

/** What pods use as gateway: an address of the node. */
export const ROUTER4 = '10.0.0.254';
export const ROUTER6 = 'fd00::fe';

/** A pod with a namespace and a device of its own, whose traffic really goes through the programs. */
export interface LivePod extends Pod {
  readonly netns: Namespace;
  /** The pod's own device. */
  readonly link: IfIndex;
}

/** Makes the sandbox's namespace a router with the addresses above. */
export async function prepareNode(sandbox: Sandbox): Promise<void> {
  const netns = sandbox.node;
  for (const name of ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding']) writeSysctl(name, 1, { netns });
  for (const each of ['all', 'default']) writeSysctl(`net.ipv6.conf.${each}.accept_dad`, 0, { netns });
  writeSysctl('net.ipv4.ping_group_range', '0 2147483647', { netns });
  using netlink = openNetlink({ netns });
  await netlink.setLink(ifIndex(1), { up: true });
  const host = await netlink.createVeth({ name: 'host', up: true, peer: { name: 'host-p' } });
  await netlink.setLink('host-p', { up: true });
  await netlink.addAddress({ link: host.index, address: ip(ROUTER4), prefixLength: 32 });
  await netlink.addAddress({ link: host.index, address: ip(ROUTER6), prefixLength: 128, flags: ['no-dad'] });
  sandbox.addRemote(`${ROUTER4}/32`, 1, 1);
  sandbox.addRemote(`${ROUTER6}/128`, 1, 1);
}

/** Attaches a pod with addresses, routes and both programs. */
export async function attachPod(sandbox: Sandbox, pod: Pod, policy: Policy): Promise<LivePod> {
  const netns = createNamespace(`${sandbox.node.path}-pod${pod.slot}`);
  for (const each of ['all', 'default']) writeSysctl(`net.ipv6.conf.${each}.accept_dad`, 0, { netns });
  writeSysctl('net.ipv4.ping_group_range', '0 2147483647', { netns });
  using node = openNetlink({ netns: sandbox.node });
  using inside = openNetlink({ netns });
  const mtu = pod.mtu ?? 1500;
  const host = await node.createVeth({ name: `lxc${pod.slot}`, index: ifIndex(device(pod)), mac: parseMac(pod.hostMac)!, mtu, up: true, peer: { name: 'eth0', netns, mac: parseMac(pod.mac)!, mtu } });
  await inside.setLink('lo', { up: true });
  await inside.setLink('eth0', { up: true });
  const link = (await inside.getLink('eth0'))!.index;
  const addresses = [pod.ipv4, pod.ipv6].filter((each) => each !== undefined).map(ip);
  for (const address of addresses) {
    const prefixLength = address.family === 4 ? 32 : 128;
    await inside.addAddress({ link, address, prefixLength, ...(address.family === 6 && { flags: ['no-dad'] as const }) });
    await node.addRoute({ destination: parseCidr(`${address.text}/${prefixLength}`)!, link: host.index });
  }
  await inside.addRoute({ destination: parseCidr('0.0.0.0/0')!, link, gateway: ip(ROUTER4), onlink: true });
  await inside.addRoute({ destination: parseCidr('::/0')!, link, gateway: ip(linkLocal(pod.hostMac)), onlink: true });
  const netnsId = (await node.getLink(host.index))!.peerNamespaceId ?? -1;
  sandbox.register({ ...pod, netnsId }, policy);
  sandbox.node.run(() => {
    createClsact(host.index);
    attachTc({ ifindex: host.index, direction: 'ingress', program: sandbox.object.program('cil_from_container') });
    attachTc({ ifindex: host.index, direction: 'egress', program: sandbox.object.program('cil_to_container') });
  });
  return { ...pod, netnsId, netns, link };
}

/** Takes a pod's namespace away. */
export function removePod(pod: LivePod): void {
  pod.netns.close();
  deleteNamespace(pod.netns.path);
}

/** The address a device gives itself (RFC 4291, appendix A). */
export function linkLocal(mac: string): string {
  const b = parseMac(mac)!.bytes;
  const group = (high: number, low: number): string => ((high << 8) | low).toString(16);
  return `fe80::${group(b[0]! ^ 2, b[1]!)}:${group(b[2]!, 0xff)}:${group(0xfe, b[3]!)}:${group(b[4]!, b[5]!)}`;
}

/** Runs a command in a namespace to its end. */
export function runIn(netns: Namespace, command: readonly string[]): { readonly status: number | null; readonly output: string } {
  const result = spawnSync('nsenter', [`--net=${netns.path}`, ...command], { encoding: 'utf8', timeout: 20_000 });
  return { status: result.status, output: result.stdout + result.stderr };
}

/** True when an echo comes back. */
export function pings(netns: Namespace, address: string, options: readonly string[] = []): boolean {
  return runIn(netns, ['ping', '-n', '-c', '1', '-W', '1', ...options, address]).status === 0;
}

const PEER = String.raw`
const net = require('node:net'), lines = require('node:readline').createInterface({ input: process.stdin });
const sockets = new Map(); const say = (text) => process.stdout.write(text + '\n');
const serve = (s) => { s.on('error', () => {}); s.on('data', (d) => s.write(d)); sockets.set('accepted', s); };
const arrival = (s) => {
  const timer = setTimeout(() => { s.arrived = undefined; say('timeout'); }, 2500);
  s.arrived = () => { if (!s.received) return; s.received = 0; s.arrived = undefined; clearTimeout(timer); say('ok'); };
  s.arrived();
};
const connect = (id, host, port, localPort, patience) => {
  const s = net.connect({ host, port, ...(localPort && { localPort }) }); sockets.set(id, s); s.received = 0;
  const end = (text) => { clearTimeout(timer); say(text); s.settled = true; };
  const timer = setTimeout(() => { s.destroy(); end('timeout'); }, patience);
  s.on('connect', () => end('ok')); s.on('error', (e) => { if (!s.settled) end(e.code); });
  s.on('data', (d) => { s.received += d.length; s.arrived?.(); });
};
const dgram = require('node:dgram'), type = (address) => ({ type: address.includes(':') ? 'udp6' : 'udp4' });
const answer = (address, port) => {
  const s = dgram.createSocket(type(address), (data, from) => s.send(data, from.port, from.address));
  s.bind(port, address, () => say('ok'));
};
const ask = (address, port, size) => {
  const s = dgram.createSocket(type(address)); const sent = Buffer.alloc(size, 'abc');
  const end = (text) => { clearTimeout(timer); clearInterval(again); s.close(); say(text); };
  const timer = setTimeout(() => end('timeout'), 10000); let again;
  s.on('error', (e) => end(e.code)); s.on('message', (data) => end(data.equals(sent) ? 'ok' : 'wrong'));
  s.connect(port, address, () => { s.send(sent); again = setInterval(() => s.send(sent), 200); });
};
lines.on('line', (line) => {
  const [command, id, address, port, local, patience] = line.split(' '); const s = sockets.get(id);
  if (command === 'listen') net.createServer(serve).listen(Number(port), address, () => say('ok'));
  else if (command === 'connect') connect(id, address, Number(port), Number(local), Number(patience));
  else if (command === 'echo') { s.received = 0; s.write('x'.repeat(Number(address))); arrival(s); }
  else if (command === 'push') arrival(s);
  else if (command === 'send') s.write('hello', () => say('ok'));
  else if (command === 'answer') answer(address, Number(port));
  else if (command === 'ask') ask(address, Number(port), Number(local));
});
lines.on('close', () => process.exit(0)); say('ready');`;

/** A process in a namespace that listens, connects and echoes on demand. */
export class Peer {
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  readonly #waiting: ((line: string) => void)[] = [];
  readonly #ready: Promise<string>;

  constructor(netns: Namespace) {
    this.#child = spawn('nsenter', [`--net=${netns.path}`, process.execPath, '-e', PEER], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout! });
    this.#lines.on('line', (line) => this.#waiting.shift()?.(line));
    this.#ready = this.#next();
  }

  #next(): Promise<string> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async #ask(line: string): Promise<string> {
    await this.#ready;
    const answer = this.#next();
    this.#child.stdin!.write(`${line}\n`);
    return answer;
  }

  listen(address: string, port: number): Promise<string> {
    return this.#ask(`listen - ${address} ${port}`);
  }

  /** `ok`, `timeout` or the name of the errno. */
  connect(id: string, address: string, port: number, localPort = 0): Promise<string> {
    return this.#ask(`connect ${id} ${address} ${port} ${localPort} 1500`);
  }

  /** The same with time for a SYN to be sent again. */
  connectAtLast(id: string, address: string, port: number): Promise<string> {
    return this.#ask(`connect ${id} ${address} ${port} 0 20000`);
  }

  echo(id: string, size = 1): Promise<string> {
    return this.#ask(`echo ${id} ${size}`);
  }

  /** Waits for data that the other side sends by itself. */
  receive(id: string): Promise<string> {
    return this.#ask(`push ${id}`);
  }

  send(id: string): Promise<string> {
    return this.#ask(`send ${id}`);
  }

  /** Sends every datagram back. */
  answer(address: string, port: number): Promise<string> {
    return this.#ask(`answer - ${address} ${port}`);
  }

  /** Sends a datagram from a connected socket until it comes back as it was: `ok`, `wrong`, `timeout` or an errno's name. */
  ask(address: string, port: number, size = 10): Promise<string> {
    return this.#ask(`ask - ${address} ${port} ${size}`);
  }

  close(): void {
    this.#child.stdin!.end();
    this.#child.kill('SIGKILL');
    this.#lines.close();
  }
}

function ip(text: string): NonNullable<ReturnType<typeof parseIp>> {
  return parseIp(text)!;
}
