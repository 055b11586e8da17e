#!/usr/bin/env node
// run.mjs demo|test|bench|vm [ARGS…]: sets up what is missing, then runs the command.
import { spawn } from 'node:child_process';
import { setup } from './setup.mjs';

const root = new URL('../..', import.meta.url).pathname;
const nx = (target, parallel) => ['node_modules/.bin/nx', 'run-many', '-t', target, `--parallel=${parallel}`, '--outputStyle=static'];

/** The steps of each command; the arguments of the command line go to its last step. */
const commands = {
  demo: [['node', 'tools/demo/dist/main.js']],
  bench: [['node', 'tools/bench/dist/main.js']],
  vm: [['node', 'tools/vm/run.mjs']],
  test: [
    ['node', 'tools/codegen/generate.mjs', '--check'],
    nx('lint', 2),
    nx('typecheck', 2),
    nx('test', 2),
    nx('test:kernel', 1),
    ['node', 'tools/release/check-packages.mjs'],
  ],
};

const [name, ...args] = process.argv.slice(2);
const steps = commands[name];
if (steps === undefined) {
  console.error(`run: unknown command ${name}; there are: ${Object.keys(commands).join(', ')}`);
  process.exit(2);
}
setup({ vm: name === 'vm' });
for (const [index, step] of steps.entries()) {
  const [command, ...rest] = index === steps.length - 1 ? [...step, ...args] : step;
  const began = Date.now();
  const code = await start(command, rest);
  if (steps.length > 1) console.error(`run: ${command} ${rest.join(' ')}: exit ${code} after ${Math.round((Date.now() - began) / 1000)} s`);
  if (code !== 0) process.exit(code);
}

/** Runs a step with this terminal, hands signals on, and waits for its clean-up. */
function start(command, rest) {
  const child = spawn(command, rest, { cwd: root, stdio: 'inherit', env: { ...process.env, NX_DAEMON: 'false', NX_TUI: 'false' } });
  const forward = (signal) => child.kill(signal);
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, forward);
  return new Promise((resolve) => {
    child.on('error', (error) => { console.error(`run: ${command}: ${error.message}`); resolve(1); });
    child.on('exit', (code, signal) => {
      for (const name of ['SIGINT', 'SIGTERM']) process.off(name, forward);
      resolve(code ?? (signal ? 130 : 1));
    });
  });
}
