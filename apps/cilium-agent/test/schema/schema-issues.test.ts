import { operations } from '@cilium-ts/agent-api';
import type { Operation, OperationName } from '@cilium-ts/agent-api';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { formatSchemaIssues, schemaIssues } from '../../src/schema/schema-issues.ts';

const said = (schema: z.ZodType, value: unknown): string => {
  const { error } = schema.safeParse(value);
  if (!error) throw new Error('it is accepted');
  return formatSchemaIssues(schemaIssues(schema, value, error), 'the document');
};
const bodyOf = (name: OperationName): z.ZodType => (operations[name] as Operation).body!.schema;

const frontend = { ip: '10.96.0.7', port: 80 };
const service = (change: object) => ({ 'frontend-address': frontend, 'backend-addresses': [{ ip: '10.1.0.1', port: 80 }], ...change });
const endpoint = (change: object) => ({ 'container-netns-path': '/run/netns/x', labels: [], ...change });

describe('a request that the schema refuses says field, what was expected, what was found and what to do', () => {
  it.each<[string, OperationName, unknown, string]>([
    ['a port in quotes', 'putService', service({ 'frontend-address': { ...frontend, port: '80' } }), 'frontend-address.port: expected a number, found the string "80" (write it without quotes: 80)'],
    ['a number for a text', 'putService', service({ 'frontend-address': { ...frontend, ip: 10 } }), 'frontend-address.ip: expected a string, found the number 10 (write it in quotes: "10")'],
    ['a fraction', 'putService', service({ 'frontend-address': { ...frontend, port: 80.5 } }), 'frontend-address.port: expected an integer, found the number 80.5 (write an integer)'],
    ['a port that is none', 'putService', service({ 'backend-addresses': [{ ip: '10.1.0.1', port: 80 }, { ip: '10.1.0.2', port: 70_000 }] }), 'backend-addresses[1].port: the number 70000 is not accepted (use at most 65535)'],
    ['port 0', 'putService', service({ 'frontend-address': { ...frontend, port: 0 } }), 'frontend-address.port: the number 0 is not accepted (use at least 1)'],
    ['an empty text', 'putService', service({ 'frontend-address': { ...frontend, ip: '' } }), 'frontend-address.ip: the string "" is not accepted (use at least 1 characters)'],
    ['a missing field', 'putService', { 'frontend-address': frontend }, 'backend-addresses: the field backend-addresses is missing (add it as a list)'],
    ['a null', 'putService', service({ 'backend-addresses': null }), 'backend-addresses: expected a list, found nothing (null) (give it a value or remove the field; an empty field is not the same as an absent one)'],
    ['an object for a list', 'putService', service({ 'backend-addresses': {} }), 'backend-addresses: expected a list, found an object (write a list)'],
    ['a misspelt field', 'putService', service({ 'backend-adresses': [] }), 'backend-adresses: unknown field "backend-adresses" (did you mean backend-addresses?)'],
    ['a field that nothing is like', 'putService', service({ 'frontend-address': { ...frontend, colour: 'red' } }), 'frontend-address.colour: unknown field "colour" (remove it; the fields here are ip, port, protocol)'],
    ['a choice in the wrong case', 'putService', service({ 'frontend-address': { ...frontend, protocol: 'tcp' } }), 'frontend-address.protocol: the string "tcp" is not accepted (did you mean TCP? The choice is TCP, UDP, SCTP)'],
    ['a choice that there is not', 'putService', service({ flags: { type: 'Anycast' } }), 'flags.type: the string "Anycast" is not accepted (use one of ClusterIP, NodePort, ExternalIPs, HostPort, LoadBalancer, LocalRedirect)'],
    ['a kind of check that there is not', 'putService', service({ flags: { healthCheck: { kind: 'https', path: '/' } } }), 'flags.healthCheck.kind: the string "https" is not accepted (did you mean http? The choice is tcp, http)'],
    ['a check without a path', 'putService', service({ flags: { healthCheck: { kind: 'http' } } }), 'flags.healthCheck.path: the field path is missing (add it as a string)'],
    ['a path that begins wrongly', 'putService', service({ flags: { healthCheck: { kind: 'http', path: 'ready' } } }), 'flags.healthCheck.path: the string "ready" is not accepted (begin it with "/")'],
    ['two faults', 'putService', service({ flags: { name: 1, sessionAffinity: 0 } }), 'flags.name: expected a string, found the number 1 (write it in quotes: "1"); flags.sessionAffinity: the number 0 is not accepted (use at least 1)'],
    ['a list for the document', 'putService', [], 'the document: expected an object, found a list (write an object)'],
    ['a name of the wrong form', 'putEndpoint', endpoint({ 'container-interface-name': 'eth 0' }), 'container-interface-name: the string "eth 0" is not accepted (use at most 15 characters, without blanks, "/" and ":")'],
    ['labels that are no list', 'putEndpoint', endpoint({ labels: 'app=web' }), 'labels: expected a list, found the string "app=web" (write a list)'],
    ['an option that is no text', 'putEndpoint', endpoint({ options: { PolicyAuditMode: true } }), 'options.PolicyAuditMode: expected a string, found the boolean true (write it in quotes: "true")'],
    ['nothing to deny', 'patchPrefilter', { deny: [] }, 'deny: a list is not accepted (use at least 1 members)'],
    ['a prefix that is no text', 'patchPrefilter', { deny: ['10.0.0.0/8', 10] }, 'deny[1]: expected a string, found the number 10 (write it in quotes: "10")'],
    ['a peer that is none of the kinds', 'tracePolicy', { from: { pod: 'web' }, to: { ip: '10.0.0.1' }, port: 80, protocol: 'TCP' }, 'from: expected an object with one of the fields labels, endpoint, identity, ip, service, name, found one with pod (give it one of them)'],
    ['a peer with a wrong value', 'tracePolicy', { from: { identity: 'five' }, to: { ip: '10.0.0.1' }, port: 80, protocol: 'TCP' }, 'from.identity: expected a number, found the string "five" (write a number)'],
    ['a peer of two forms, neither of them', 'tracePolicy', { from: { endpoint: true }, to: { ip: '10.0.0.1' }, port: 80, protocol: 'TCP' }, 'from.endpoint: expected a number or a string, found the boolean true (write a number or a string)'],
  ])('%s', (_, name, value, message) => { expect(said(bodyOf(name), value)).toBe(message); });

  it('of a parameter', () => { expect(said((operations.getService as Operation).params!, { id: 'web' })).toBe('id: expected a number, found the string "web" (write a number)'); });

  it('in a line that people can read', () => {
    expect(said(z.strictObject({ a: z.number() }), { a: 'x'.repeat(1000) })).toMatch(/^a: expected a number, found the string "x{60,80}… \(write a number\)$/);
    expect(said(z.array(z.number()), Array.from({ length: 30 }, () => 'x')).split('; ')).toHaveLength(11);
  });

  it("never in a library's words", () => {
    for (const [name, operation] of Object.entries(operations) as [OperationName, Operation][]) {
      if (operation.body?.kind !== 'json') continue;
      for (const wrong of [[], 'x', 1, true, {}, { unknown: 1 }, { deny: {} }, { labels: { a: 1 } }, { from: {}, to: [] }]) {
        if (!operation.body.schema.safeParse(wrong).success) expect(said(operation.body.schema, wrong), name).not.toMatch(/Invalid|received|Unrecognized|Too (small|big)|undefined/);
      }
    }
  });
});
