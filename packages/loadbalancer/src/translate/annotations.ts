import { suggest } from '@cilium-ts/core';
import type { Field } from '@cilium-ts/manifest';
import type { LabelRequirement, LabelSelector } from '../model/label-selector.ts';
import type { FrontendKind, HealthProbe, NodeExposure, Service } from '../model/service.ts';

/** What the annotations of a Service say about it. */
export type AnnotatedService = Pick<Service, 'algorithm' | 'forwardingMode' | 'exposure' | 'nodeExposure' | 'healthCheck'> & {
  readonly sourceRangePolicy: 'allow' | 'deny';
  /** Whether the annotations of older Kubernetes ask for topology hints. */
  readonly topology: boolean;
};

const PREFIX = 'service.cilium.io/';
const READ = ['lb-algorithm', 'forwarding-mode', 'type', 'node', 'node-selector', 'src-ranges-policy', 'health-check'];
/** Between clusters: a single one has nothing to do for them. */
const WITHOUT_EFFECT = ['global', 'shared', 'affinity', 'global-sync-endpoint-slices'];
const TOPOLOGY = ['service.kubernetes.io/topology-aware-hints', 'service.kubernetes.io/topology-mode'];

/** Reads the annotations of a Service; `field` is `metadata.annotations`. What is not understood is an issue. */
export function readAnnotations(annotations: Readonly<Record<string, string>>, field: Field): AnnotatedService {
  for (const key of Object.keys(annotations)) if (key.startsWith(PREFIX)) reportUnread(key, field);
  const one = <T extends string>(name: string, values: readonly T[]): T | undefined => readChoice(annotations, PREFIX + name, values, field);
  const algorithm = one('lb-algorithm', ['random', 'maglev']);
  const forwardingMode = one('forwarding-mode', ['snat', 'dsr']);
  const exposure = readExposure(annotations[`${PREFIX}type`], field.child(`${PREFIX}type`));
  const nodeExposure = readNodeExposure(annotations, field);
  const healthCheck = readHealthCheck(annotations[`${PREFIX}health-check`], field.child(`${PREFIX}health-check`));
  return {
    ...(algorithm === undefined ? {} : { algorithm }),
    ...(forwardingMode === undefined ? {} : { forwardingMode }),
    ...(exposure === undefined ? {} : { exposure }),
    ...(nodeExposure === undefined ? {} : { nodeExposure }),
    ...(healthCheck === undefined ? {} : { healthCheck }),
    sourceRangePolicy: one('src-ranges-policy', ['allow', 'deny']) ?? 'allow',
    topology: TOPOLOGY.some((key) => annotations[key]?.toLowerCase() === 'auto'),
  };
}

function reportUnread(key: string, field: Field): void {
  const name = key.slice(PREFIX.length);
  if (READ.includes(name)) return;
  const at = field.child(key);
  if (WITHOUT_EFFECT.includes(name)) {
    at.report({ code: 'suspicious', severity: 'warning', message: `${key} has no effect: there is no other cluster`, remedy: 'remove the annotation', point: 'key' });
  } else if (name === 'proxy-delegation' || name === 'lb-l7') {
    at.report({ code: 'unenforceable', message: `${key} cannot be put into force: no proxy takes part in load balancing`, remedy: 'remove the annotation', point: 'key' });
  } else {
    const near = suggest(name, READ);
    const remedy = near === undefined ? `remove it; those read are ${READ.join(', ')}` : `did you mean ${PREFIX}${near}?`;
    at.report({ code: 'unknown-field', message: `unknown annotation ${JSON.stringify(key)}`, remedy, point: 'key' });
  }
}

function readChoice<T extends string>(annotations: Readonly<Record<string, string>>, key: string, values: readonly T[], field: Field): T | undefined {
  const text = annotations[key];
  const value = values.find((candidate) => candidate === text?.toLowerCase());
  if (text !== undefined && value === undefined) {
    field.child(key).report({ code: 'invalid-value', message: `the string ${JSON.stringify(text)} is not accepted`, remedy: `use one of ${values.join(', ')}` });
  }
  return value;
}

const EXPOSABLE: readonly FrontendKind[] = ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalIP'];

function readExposure(text: string | undefined, field: Field): readonly FrontendKind[] | undefined {
  if (text === undefined) return undefined;
  return text.split(',').flatMap((part) => {
    const word = part.trim();
    const kind = EXPOSABLE.find((candidate) => candidate === word);
    if (kind !== undefined) return [kind];
    field.report({ code: 'invalid-value', message: `${JSON.stringify(word)} is no type of frontend`, remedy: `use ${EXPOSABLE.join(', ')}, separated by commas` });
    return [];
  });
}

function readNodeExposure(annotations: Readonly<Record<string, string>>, field: Field): NodeExposure | undefined {
  const label = annotations[`${PREFIX}node`];
  const selectorKey = `${PREFIX}node-selector`;
  const text = annotations[selectorKey];
  const selector = text === undefined ? undefined : parseSelector(text);
  if (text !== undefined && selector === undefined) {
    const message = `${JSON.stringify(text)} is not a label selector`;
    field.child(selectorKey).report({ code: 'invalid-value', message, remedy: 'write it as kubectl does: key=value, key!=value, key in (a,b), key notin (a,b), key, !key, separated by commas' });
  }
  if (label === undefined && selector === undefined) return undefined;
  return { ...(label === undefined ? {} : { label }), ...(selector === undefined ? {} : { selector }) };
}

const KEY = '[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?';
const VALUE = '[-A-Za-z0-9_.]*';
const TERMS = {
  set: new RegExp(`^(${KEY})\\s+(in|notin)\\s*\\(([^()]*)\\)$`),
  equality: new RegExp(`^(${KEY})\\s*(==|=|!=)\\s*(${VALUE})$`),
  existence: new RegExp(`^(!?)\\s*(${KEY})$`),
};

/** The selector in kubectl's notation, or `undefined`. */
function parseSelector(text: string): LabelSelector | undefined {
  const terms = text.split(/,(?![^(]*\))/).map((term) => parseTerm(term.trim()));
  return terms.every((term) => term !== undefined) ? terms : undefined;
}

function parseTerm(term: string): LabelRequirement | undefined {
  const set = TERMS.set.exec(term);
  if (set !== null) return { key: set[1]!, operator: set[2] === 'in' ? 'In' : 'NotIn', values: set[3]!.split(',').map((value) => value.trim()) };
  const equality = TERMS.equality.exec(term);
  if (equality !== null) return { key: equality[1]!, operator: equality[2] === '!=' ? 'NotIn' : 'In', values: [equality[3]!] };
  const existence = TERMS.existence.exec(term);
  if (existence === null) return undefined;
  return { key: existence[2]!, operator: existence[1] === '!' ? 'DoesNotExist' : 'Exists', values: [] };
}

function readHealthCheck(text: string | undefined, field: Field): HealthProbe | undefined {
  if (text === undefined) return undefined;
  if (text === 'tcp') return { kind: 'tcp' };
  const http = /^http(?::(\/[\x21-\x7e]*))?$/.exec(text);
  if (http !== null) return { kind: 'http', path: http[1] ?? '/' };
  field.report({ code: 'invalid-value', message: `the string ${JSON.stringify(text)} is no way to probe`, remedy: 'use tcp, http, or http:/path' });
  return undefined;
}
