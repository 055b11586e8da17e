import { suggest } from '@cilium-ts/core';
import type { z } from 'zod';
import type { EndpointSlice } from '../model/endpoints.ts';
import type { ServiceIssue } from '../model/issue.ts';
import type { Pod } from '../model/pod.ts';
import type { LocalRedirect } from '../model/redirect.ts';
import type { Service } from '../model/service.ts';
import { endpointsSchema, endpointSliceSchema } from '../schema/endpoints.ts';
import { localRedirectSchema } from '../schema/local-redirect.ts';
import { podSchema } from '../schema/pod.ts';
import { serviceSchema } from '../schema/service.ts';
import type { Keyed, TranslateContext } from '../translate/context.ts';
import { translateEndpoints, translateEndpointSlice } from '../translate/endpoints.ts';
import { translateLocalRedirect } from '../translate/local-redirect.ts';
import { translatePod } from '../translate/pod.ts';
import { translateService } from '../translate/service.ts';
import type { SourceObject } from './documents.ts';
import { readDocuments } from './documents.ts';
import type { ServiceObjectKind } from './header.ts';
import { API_VERSIONS, readHeader } from './header.ts';
import type { Reporter } from './reporter.ts';
import { createReporter } from './reporter.ts';
import { reportShapeIssues } from './shape-issues.ts';

/** What a text holds. An object with an issue of severity `error` is in `issues` only. */
export interface ParsedServices {
  readonly services: readonly Keyed<Service>[];
  /** Of EndpointSlice and Endpoints objects; the latter make one per subset. */
  readonly slices: readonly Keyed<EndpointSlice>[];
  readonly pods: readonly Keyed<Pod>[];
  readonly redirects: readonly Keyed<LocalRedirect>[];
  readonly issues: readonly ServiceIssue[];
}

/** Where the text is from. */
export interface ParseOptions {
  /** Name of the file for issues and problems. */
  readonly file?: string;
}

/**
 * Reads Kubernetes' Service, EndpointSlice, Endpoints and Pod and Cilium's CiliumLocalRedirectPolicy from YAML or JSON:
 * several documents, Lists, and live objects with `status` and all of their metadata. Never throws for bad text:
 * whatever is wrong, and every field that could not be put into force, is an issue that names file, line, path and
 * remedy, and keeps its object out. Of pods, only what the balancer reads is checked.
 */
export function parseServices(text: string, options: ParseOptions = {}): ParsedServices {
  const source = readDocuments(text);
  const found: Collected = { services: [], slices: [], pods: [], redirects: [] };
  const issues: ServiceIssue[] = source.problems.map(({ message, line, column }) => ({
    ...(options.file === undefined ? {} : { file: options.file }),
    line,
    column,
    path: '',
    severity: 'error',
    code: 'malformed',
    message: `the text is not valid YAML or JSON: ${message}`,
    remedy: 'correct the syntax; no object of this document is read until then',
  }));
  const seen = new Set<string>();
  for (const object of source.objects) issues.push(...readObject(object, options.file, { seen, found }));
  return { ...found, issues: issues.sort((a, b) => a.line - b.line || a.column - b.column) };
}

interface Collected {
  readonly services: Keyed<Service>[];
  readonly slices: Keyed<EndpointSlice>[];
  readonly pods: Keyed<Pod>[];
  readonly redirects: Keyed<LocalRedirect>[];
}

interface Collection {
  readonly seen: Set<string>;
  readonly found: Collected;
}

function readObject(object: SourceObject, file: string | undefined, { seen, found }: Collection): readonly ServiceIssue[] {
  const header = readHeader(object.value);
  const reporter = createReporter(object.locator, file, header.key);
  if (header.kind === undefined) {
    reportKind(header.kindText, reporter);
    return reporter.issues;
  }
  const add = READERS[header.kind](object.value, { header, root: reporter.field() }, reporter);
  if (header.key !== undefined && seen.has(header.key)) {
    reporter.field('metadata', 'name').report({ code: 'duplicate', message: `${header.key} occurs twice in this text`, remedy: 'rename one of them' });
  }
  if (header.key !== undefined) seen.add(header.key);
  if (!reporter.failed) add?.(found);
  return reporter.issues;
}

type Add = (found: Collected) => void;
type Reader = (value: unknown, context: TranslateContext, reporter: Reporter) => Add | undefined;

/** Checks the shape of an object, then translates it. Nothing is to be added for one of the wrong shape. */
function reader<T>(schema: z.ZodType<T>, translate: (object: T, context: TranslateContext) => Add): Reader {
  return (value, context, reporter) => {
    const parsed = schema.safeParse(value);
    if (parsed.success) return translate(parsed.data, context);
    reportShapeIssues(parsed.error, schema, value, reporter);
    return undefined;
  };
}

const READERS: Readonly<Record<ServiceObjectKind, Reader>> = {
  Service: reader(serviceSchema, (object, context) => {
    const service = translateService(object, context);
    return ({ services }) => void services.push(service);
  }),
  EndpointSlice: reader(endpointSliceSchema, (object, context) => {
    const slice = translateEndpointSlice(object, context);
    return ({ slices }) => void slices.push(slice);
  }),
  Endpoints: reader(endpointsSchema, (object, context) => {
    const parts = translateEndpoints(object, context);
    return ({ slices }) => void slices.push(...parts);
  }),
  Pod: reader(podSchema, (object, context) => {
    const pod = translatePod(object, context);
    return ({ pods }) => void pods.push(pod);
  }),
  CiliumLocalRedirectPolicy: reader(localRedirectSchema, (object, context) => {
    const redirect = translateLocalRedirect(object, context);
    return ({ redirects }) => void (redirect === undefined ? undefined : redirects.push(redirect));
  }),
};

function reportKind(kind: string | undefined, reporter: Reporter): void {
  const kinds = Object.keys(API_VERSIONS);
  const near = kind === undefined ? undefined : suggest(kind, kinds);
  reporter.field(...(kind === undefined ? [] : ['kind'])).report({
    code: 'unknown-kind',
    message: kind === undefined ? 'this is not a Kubernetes object: it has no kind' : `${kind} has nothing to do with services`,
    remedy: near === undefined ? `only ${kinds.join(', ')} and Lists of them are read` : `did you mean ${near}?`,
  });
}
