import { afterEach, beforeEach, expect, it } from 'vitest';

import { createTestbed } from '../src/index.ts';
import { describeProcess } from '../src/cleanup.ts';
import type { Testbed, TestbedNode } from '../src/index.ts';

let testbed: Testbed;
let node: TestbedNode;
beforeEach(async () => {
  testbed = createTestbed({ name: 'agent' });
  node = await testbed.createNode('n1');
});
afterEach(() => testbed.close());

/** Stands for an agent: answers the health check, and tells its flags and devices. */
const command = [
  process.execPath,
  '-e',
  `const http = require('node:http'), fs = require('node:fs');
   const socket = process.argv.find((flag) => flag.startsWith('--socket-path=')).slice(14);
   console.log(process.argv.slice(1).join(' '), fs.readFileSync('/proc/self/net/dev', 'utf8').split('\\n').length, process.env.EXTRA);
   process.on('SIGTERM', () => process.exit(7));
   fs.rmSync(socket, { force: true });
   http.createServer((request, response) => response.writeHead(request.url === '/v1/healthz' ? 200 : 404).end()).listen(socket);`,
  '--',
];

it('runs in its node with the node\'s folders, and is stopped and started again', async () => {
  const agent = await node.startAgent({ command, flags: ['--enable-policy=always'], environment: { EXTRA: 'extra' } });
  expect(agent.startedAfterMs).toBeGreaterThan(0);
  const { bpf, state, config, policies, socket } = node.folders;
  for (const flag of [`--state-dir=${state}`, `--bpf-root=${bpf}`, `--socket-path=${socket}`, `--config-dir=${config}`, `--policy-dir=${policies}`, '--enable-policy=always 4 extra']) {
    expect(agent.log()).toContain(flag);
  }
  expect(await agent.stop()).toEqual({ code: 7, signal: null });
  const again = await node.startAgent({ command });
  expect(again.pid).not.toBe(agent.pid);
  expect(await again.stop('SIGKILL')).toEqual({ code: null, signal: 'SIGKILL' });
});

it('ends with the testbed', async () => {
  const { pid } = await node.startAgent({ command });
  expect(describeProcess(pid)).toBeDefined();
  await testbed.close();
  while (describeProcess(pid)) await new Promise((resolve) => setTimeout(resolve, 2));
});

it('says how a start failed, with the log', async () => {
  const broken = [process.execPath, '-e', 'console.error("no such feature"); process.exit(4)', '--'];
  await expect(node.startAgent({ command: broken })).rejects.toThrow(/^start agent: it ended with code 4; its log ends:\nno such feature/);
  const silent = [process.execPath, '-e', 'setInterval(() => 0, 1000)', '--'];
  await expect(node.startAgent({ command: silent, timeoutMs: 100 })).rejects.toThrow('start agent: not ready after 100 ms');
});
