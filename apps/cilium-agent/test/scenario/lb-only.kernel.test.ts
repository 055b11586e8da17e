import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const document = readFileSync(path('../../../../docs/standalone-load-balancer.md'), 'utf8');

/** The blocks to run, each with what it has to print. */
const steps = [...document.matchAll(/```sh\n([\s\S]*?)```(?:\s*```text\n([\s\S]*?)```)?/g)].map(([, script = '', output = '']) => ({ script, output }));
const MARK = '--- end of block';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ct-walk-'));
  for (const [name, main] of [['cilium-agent', '../../dist/main.js'], ['cilium', '../../../cilium-cli/dist/main.js']] as const) {
    writeFileSync(join(folder, name), `#!/bin/sh\nexec '${process.execPath}' '${path(main)}' "$@"\n`);
    chmodSync(join(folder, name), 0o755);
  }
});
afterEach(() => { rmSync(folder, { recursive: true, force: true }); });

/**
 * Runs the blocks one after the other in one shell, in a mount and a process namespace of its own: names of network namespaces and mounts of
 * the walk-through are nobody else's, and everything ends with it, however it ends.
 */
const walk = (): Promise<string> =>
  new Promise((resolve, reject) => {
    const blocks = steps.map(({ script }) => `${script}\necho '${MARK}'\n`).join('');
    const script = `set -e\nmount -t tmpfs none /run/netns 2>/dev/null || { mkdir -p /run/netns && mount -t tmpfs none /run/netns; }\nexport DIR=${folder}/dir\nmkdir $DIR $DIR/bpf\nmount -t bpf none $DIR/bpf\n${blocks.replace('rm -rf $DIR\n', 'umount $DIR/bpf\nrm -rf $DIR\n')}`;
    const shell = spawn('unshare', ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc', '--propagation', 'private', 'bash', '-c', script], { env: { ...process.env, PATH: `${folder}:${process.env['PATH']}` }, stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    shell.stdout.on('data', (data: Buffer) => { out += data.toString(); });
    shell.stderr.on('data', (data: Buffer) => { err += data.toString(); });
    shell.on('error', reject);
    shell.on('exit', (code) => { if (code === 0) resolve(out); else reject(new Error(`the walk-through ended with code ${code}:\n${out}\n${err}\n${spawnSync('cat', [`${folder}/dir/agent.log`]).stdout.toString().slice(-3000)}`)); });
  });

describe('docs/standalone-load-balancer.md', () => {
  it('does what it says, block by block', async () => {
    expect(steps.length).toBeGreaterThan(5);
    const printed = (await walk()).split(`${MARK}\n`).slice(0, -1);
    expect(printed).toEqual(steps.map(({ output }) => output));
  }, 120_000);
});
