import { parseCidr } from '@cilium-ts/core';
import type { Cidr } from '@cilium-ts/core';
import { readDocuments } from '@cilium-ts/manifest';
import { z } from 'zod';
import { formatSchemaIssues, schemaIssues } from '../schema/schema-issues.ts';
import { AgentError } from '../error.ts';

/** The file of ip-masq-agent, of Kubernetes' project of that name. */
const IpMasqFile = z.strictObject({
  nonMasqueradeCIDRs: z.array(z.string()).default([]),
  masqLinkLocal: z.boolean().default(false),
  masqLinkLocalIPv6: z.boolean().default(false),
  resyncInterval: z.string().optional(),
});

/** Without a file: private, shared, documentation and special-purpose networks, as ip-masq-agent and Cilium have it. */
const DEFAULTS = [
  '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', '192.0.0.0/24', '192.0.2.0/24', '192.88.99.0/24', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '240.0.0.0/4',
];
const LINK_LOCAL = { ipv4: '169.254.0.0/16', ipv6: 'fe80::/10' } as const;

/** Destinations that are not masqueraded, from the file's text; undefined: there is no file. Throws AgentError `config` naming the place. */
export const parseIpMasqConfig = (text: string | undefined, path: string): Cidr[] => {
  if (text === undefined) return [...DEFAULTS, LINK_LOCAL.ipv4, LINK_LOCAL.ipv6].map((prefix) => parseCidr(prefix)!);
  const { objects, problems } = readDocuments(text);
  const fail = (message: string): AgentError => new AgentError('config', `read ${path}: ${message}`);
  const [problem] = problems;
  if (problem) throw new AgentError('config', `read ${path}:${problem.line}:${problem.column}: ${problem.message} (${problem.remedy})`);
  if (objects.length > 1) throw fail('there is more than one document in it');
  const value = objects[0]?.value ?? {};
  const parsed = IpMasqFile.safeParse(value);
  if (!parsed.success) throw fail(formatSchemaIssues(schemaIssues(IpMasqFile, value, parsed.error), 'the document'));
  const { nonMasqueradeCIDRs, masqLinkLocal, masqLinkLocalIPv6 } = parsed.data;
  const listed = nonMasqueradeCIDRs.map((prefix, at) => {
    const cidr = parseCidr(prefix);
    if (!cidr) throw fail(`nonMasqueradeCIDRs[${at}]: ${JSON.stringify(prefix)} is no prefix such as 10.0.0.0/8`);
    return cidr;
  });
  return [...listed, ...(masqLinkLocal ? [] : [parseCidr(LINK_LOCAL.ipv4)!]), ...(masqLinkLocalIPv6 ? [] : [parseCidr(LINK_LOCAL.ipv6)!])];
};
