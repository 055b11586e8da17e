import { parseIp } from '@cilium-ts/core';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';

/** An action of a scenario and what is expected after it; see test/scenarios/README.md. */
const stepSchema = z.strictObject({
  name: z.string(),
  /** Text of files, by name: replaces what the file held before. An empty text takes the file away. */
  files: z.record(z.string(), z.string()).optional(),
  /** Probes' findings: `10.0.1.1:8080/TCP: quarantined`. */
  health: z.record(z.string(), z.enum(['active', 'quarantined'])).optional(),
  nodeAddresses: z.array(z.string()).optional(),
  /** A new run of the agent: ids come from the records of the last one; files named here change in between. */
  restart: z.boolean().optional(),
  expect: z
    .strictObject({
      frontends: z.string().optional(),
      ids: z.record(z.string(), z.number()).optional(),
      issues: z.array(z.string()).optional(),
      problems: z.array(z.string()).optional(),
      select: z.array(z.strictObject({ flow: z.string(), result: z.string() })).optional(),
      explain: z.array(z.strictObject({ flow: z.string(), lines: z.array(z.string()) })).optional(),
      shares: z.record(z.string(), z.record(z.string(), z.number())).optional(),
      changes: z.strictObject({ services: z.number(), pools: z.number(), backends: z.number() }).optional(),
      healthChecks: z.array(z.string()).optional(),
      views: z.array(z.unknown()).optional(),
    })
    .optional(),
});
export type Step = z.infer<typeof stepSchema>;

const scenarioSchema = z.strictObject({
  description: z.string(),
  options: z.record(z.string(), z.unknown()).optional(),
  steps: z.array(stepSchema).min(1),
});
export type Scenario = z.infer<typeof scenarioSchema>;

/** The scenario of a file's text; throws for one that is not well-formed. */
export function readScenario(text: string): Scenario {
  return scenarioSchema.parse(parseYaml(text));
}

/** `10.0.1.1:8080/TCP` or `[fd00::1]:53/UDP`. */
export function parseTuple(text: string) {
  const match = /^(?:\[(.+)\]|([^:]+)):(\d+)\/(TCP|UDP|SCTP)$/.exec(text);
  const address = parseIp(match?.[1] ?? match?.[2] ?? '');
  if (match === null || address === undefined) throw new Error(`${text} is not address:port/protocol`);
  return { address, port: Number(match[3]), protocol: match[4] as 'TCP' | 'UDP' | 'SCTP' };
}

/** `outside 192.0.2.1:4000 -> 10.0.0.1:80/TCP`, `inside …`, or `socket COOKIE[@NETNS] -> …`. */
export function parseFlow(text: string) {
  const match = /^(inside|outside|socket) (\S+) -> (\S+)$/.exec(text);
  if (match === null) throw new Error(`${text} is not a flow`);
  const [, from, who, to] = match as unknown as [string, string, string, string];
  if (from === 'socket') {
    const [cookie, netns] = who.split('@');
    const client = { cookie: BigInt(cookie!), ...(netns === undefined ? {} : { netns: BigInt(netns) }) };
    return { client, clientPort: 0, from: 'inside' as const, ...parseTuple(to) };
  }
  const { address: client, port: clientPort } = parseTuple(`${who}/TCP`);
  return { client, clientPort, from: from as 'inside' | 'outside', ...parseTuple(to) };
}
