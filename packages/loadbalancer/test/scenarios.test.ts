import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { LoadBalancerOptions } from '../src/index.ts';
import { formatProblem, formatServiceIssue, WILDCARD_IDS } from '../src/index.ts';
import type { Step } from './helpers/scenario.ts';
import { parseFlow, readScenario } from './helpers/scenario.ts';
import type { Stage } from './helpers/stage.ts';
import { createStage, followChanges, frontendName, frontendTable, selectionText, sharesOf } from './helpers/stage.ts';

const folder = join(import.meta.dirname, 'scenarios');
const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));

test('there are at least 40 scenarios', () => {
  expect(files.length).toBeGreaterThanOrEqual(40);
});

test.each(files)('%s', (name) => {
  const scenario = readScenario(readFileSync(join(folder, name), 'utf8'));
  const stage = createStage({ nodeName: 'node-1', ...scenario.options } as LoadBalancerOptions);
  for (const step of scenario.steps) {
    act(step, stage);
    check(step, stage);
  }
});

function act(step: Step, stage: Stage): void {
  if (step.restart === true) stage.restart();
  for (const [file, text] of Object.entries(step.files ?? {})) stage.setFile(file, text);
  for (const [backend, state] of Object.entries(step.health ?? {})) stage.setHealth(backend, state);
  if (step.nodeAddresses !== undefined) stage.setNodeAddresses(step.nodeAddresses);
  if (step.restart === true) stage.releaseUnclaimed();
}

function check({ name, expect: wanted = {} }: Step, stage: Stage): void {
  const changes = followChanges(stage);
  const { balancer, mirror } = stage;
  // Whatever a scenario is about: changes add up to the records, and trouble that it does not expect is a failure.
  expect.soft(mirror, name).toEqual(balancer.records());
  expect.soft(stage.issues().map(formatServiceIssue), `${name}: issues`).toEqual(wanted.issues ?? []);
  expect.soft(balancer.problems().map(formatProblem), `${name}: problems`).toEqual(wanted.problems ?? []);
  if (wanted.frontends !== undefined) expect.soft(frontendTable(mirror), `${name}: frontends`).toEqual(tableOf(wanted.frontends));
  if (wanted.changes !== undefined) expect.soft(changes, `${name}: changes`).toEqual(wanted.changes);
  if (wanted.ids !== undefined) expect.soft(idsOf(stage), `${name}: ids`).toEqual(wanted.ids);
  for (const { flow, result } of wanted.select ?? []) {
    expect.soft(selectionText(balancer.select(parseFlow(flow))), `${name}: ${flow}`).toBe(result);
  }
  for (const { flow, lines } of wanted.explain ?? []) {
    expect.soft(balancer.explain(parseFlow(flow)).lines, `${name}: ${flow}`).toEqual(lines);
  }
  for (const [frontend, shares] of Object.entries(wanted.shares ?? {})) checkShares(`${name}: ${frontend}`, sharesOf(frontend, mirror), shares);
  if (wanted.healthChecks !== undefined) {
    const checks = balancer.healthChecks().map(({ namespace, name, port, localEndpoints }) => `${port} ${namespace}/${name} ${localEndpoints}`);
    expect.soft(checks, `${name}: health checks`).toEqual(wanted.healthChecks);
  }
  if (wanted.views !== undefined) expect.soft(balancer.services(), `${name}: views`).toEqual(wanted.views);
}

function tableOf(text: string): readonly string[] {
  const lines = text.split('\n').map((line) => line.trim().replaceAll(/\s+/g, ' '));
  return lines.filter((line) => line !== '').sort();
}

function idsOf({ mirror }: Stage): Readonly<Record<string, number>> {
  const services = [...mirror.services.values()].filter(({ id }) => id < WILDCARD_IDS);
  return Object.fromEntries(services.map((service) => [frontendName(service), service.id]));
}

/** Within one part in a hundred of the whole. */
function checkShares(message: string, actual: Readonly<Record<string, number>>, wanted: Readonly<Record<string, number>>): void {
  expect.soft(Object.keys(actual).sort(), message).toEqual(Object.keys(wanted).sort());
  for (const [backend, share] of Object.entries(wanted)) expect.soft(actual[backend], `${message} ${backend}`).toBeCloseTo(share, 1.7);
}
