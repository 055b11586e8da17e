import type { Manifest, Shape } from '@cilium-ts/manifest';
import { checkShape, readManifests } from '@cilium-ts/manifest';
import type { EndpointSlice } from '../model/endpoints.ts';
import type { ServiceIssue } from '../model/issue.ts';
import type { Pod } from '../model/pod.ts';
import type { LocalRedirect } from '../model/redirect.ts';
import type { Service } from '../model/service.ts';
import { endpointsShape, endpointSliceShape } from '../schema/endpoints.ts';
import { localRedirectShape } from '../schema/local-redirect.ts';
import { podShape } from '../schema/pod.ts';
import { serviceShape } from '../schema/service.ts';
import type { Keyed, TranslateContext } from '../translate/context.ts';
import { translateEndpoints, translateEndpointSlice } from '../translate/endpoints.ts';
import { translateLocalRedirect } from '../translate/local-redirect.ts';
import { translatePod } from '../translate/pod.ts';
import { translateService } from '../translate/service.ts';
import type { ServiceObjectKind } from './kinds.ts';
import { SERVICE_KINDS } from './kinds.ts';

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
  const found: Collected = { services: [], slices: [], pods: [], redirects: [] };
  const source = { kinds: SERVICE_KINDS, foreign: 'has nothing to do with services', file: options.file };
  const { values, issues } = readManifests(text, source, (manifest: Manifest<ServiceObjectKind>) => READERS[manifest.kind](manifest));
  for (const add of values) add(found);
  return { ...found, issues };
}

interface Collected {
  readonly services: Keyed<Service>[];
  readonly slices: Keyed<EndpointSlice>[];
  readonly pods: Keyed<Pod>[];
  readonly redirects: Keyed<LocalRedirect>[];
}

type Add = (found: Collected) => void;
type Reader = (manifest: Manifest<ServiceObjectKind>) => Add | undefined;

/** Checks the shape of an object, then translates it. Nothing is to be added for one of the wrong shape. */
function reader<T>(shape: Shape<T>, translate: (object: T, context: TranslateContext) => Add): Reader {
  return ({ value, header, root }) => {
    if (!checkShape(shape, value, root)) return undefined;
    return translate(value, { header: { ...header, namespace: header.namespace ?? '' }, root });
  };
}

const READERS: Readonly<Record<ServiceObjectKind, Reader>> = {
  Service: reader(serviceShape, (object, context) => {
    const service = translateService(object, context);
    return ({ services }) => void services.push(service);
  }),
  EndpointSlice: reader(endpointSliceShape, (object, context) => {
    const slice = translateEndpointSlice(object, context);
    return ({ slices }) => void slices.push(slice);
  }),
  Endpoints: reader(endpointsShape, (object, context) => {
    const parts = translateEndpoints(object, context);
    return ({ slices }) => void slices.push(...parts);
  }),
  Pod: reader(podShape, (object, context) => {
    const pod = translatePod(object, context);
    return ({ pods }) => void pods.push(pod);
  }),
  CiliumLocalRedirectPolicy: reader(localRedirectShape, (object, context) => {
    const redirect = translateLocalRedirect(object, context);
    return ({ redirects }) => void (redirect === undefined ? undefined : redirects.push(redirect));
  }),
};
