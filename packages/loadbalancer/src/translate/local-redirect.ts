import type { Field, LabelSelectorSpec } from '@cilium-ts/manifest';
import type { LocalRedirect, RedirectFrontend, RedirectPort } from '../model/redirect.ts';
import type { LabelSelector } from '../model/label-selector.ts';

import type { LocalRedirectObject, RedirectPortSpec } from '../schema/local-redirect.ts';
import { readAddress } from './address.ts';
import type { Keyed, TranslateContext } from './context.ts';
import { createdAt } from './context.ts';

/** The redirect of a CiliumLocalRedirectPolicy; `undefined` when what it redirects cannot be read. */
export function translateLocalRedirect({ metadata, spec }: LocalRedirectObject, { header, root }: TranslateContext): Keyed<LocalRedirect> | undefined {
  const field = root.child('spec');
  if (spec.skipRedirectFromBackend === true) {
    const message = 'skipRedirectFromBackend cannot be put into force: the datapath does not ask who the backend is';
    field.child('skipRedirectFromBackend').report({ code: 'unenforceable', message, remedy: 'remove the field, and let the backend use another address or port', point: 'key' });
  }
  const frontend = readFrontend(spec.redirectFrontend, header.namespace, field.child('redirectFrontend'));
  const ports = readPorts(spec.redirectBackend.toPorts, field.child('redirectBackend', 'toPorts'));
  if (frontend === undefined) return undefined;
  checkPairs(frontend, ports, field);
  return {
    key: header.key ?? '',
    namespace: header.namespace,
    name: metadata.name,
    frontend,
    selector: readSelector(spec.redirectBackend.localEndpointSelector, field.child('redirectBackend', 'localEndpointSelector')),
    ports,
    ...createdAt(metadata.creationTimestamp),
    at: root.at,
  };
}

type FrontendSpec = LocalRedirectObject['spec']['redirectFrontend'];

function readFrontend({ addressMatcher, serviceMatcher }: FrontendSpec, namespace: string, field: Field): RedirectFrontend | undefined {
  if ((addressMatcher === undefined) === (serviceMatcher === undefined)) {
    field.report({ code: 'invalid-value', message: 'exactly one of addressMatcher and serviceMatcher is needed', remedy: addressMatcher === undefined ? 'add one of them' : 'remove one of them', point: 'key' });
    return undefined;
  }
  if (addressMatcher !== undefined) {
    const at = field.child('addressMatcher');
    const address = readAddress(addressMatcher.ip, at.child('ip'));
    const ports = readPorts(addressMatcher.toPorts, at.child('toPorts'));
    return address === undefined ? undefined : { kind: 'address', address, ports };
  }
  const at = field.child('serviceMatcher');
  if (serviceMatcher!.namespace !== namespace) {
    at.child('namespace').report({ code: 'invalid-value', message: 'the service is in another namespace than the policy', remedy: `write the policy in namespace ${serviceMatcher!.namespace}` });
  }
  const ports = readPorts(serviceMatcher!.toPorts ?? [], at.child('toPorts'));
  return { kind: 'service', service: `${serviceMatcher!.namespace}/${serviceMatcher!.serviceName}`, ports };
}

function readPorts(specs: readonly RedirectPortSpec[], field: Field): readonly RedirectPort[] {
  return specs.flatMap(({ port, protocol, name = '' }, index) => {
    const number = typeof port === 'number' ? port : /^\d{1,5}$/.test(port) ? Number(port) : 0;
    if (number < 1 || number > 65535) {
      field.child(index, 'port').report({ code: 'invalid-value', message: `${JSON.stringify(port)} is not a port`, remedy: 'use a number from 1 to 65535' });
      return [];
    }
    if (name === '' && specs.length > 1) {
      field.child(index).report({ code: 'missing-field', message: 'a port without a name among several', remedy: 'name every port: those of frontend and backend are paired by name' });
    }
    return [{ name, protocol, port: number }];
  });
}

/** Every port of the frontend needs one of the backend: the only one, or that of its name. */
function checkPairs(frontend: RedirectFrontend, ports: readonly RedirectPort[], field: Field): void {
  frontend.ports.forEach(({ name, protocol }, index) => {
    const target = ports.length === 1 ? ports[0] : ports.find((port) => port.name === name);
    if (target !== undefined && target.protocol === protocol) return;
    const matcher = frontend.kind === 'address' ? 'addressMatcher' : 'serviceMatcher';
    const named = name === '' ? '' : ` named ${JSON.stringify(name)}`;
    field.child('redirectFrontend', matcher, 'toPorts', index).report({
      code: 'invalid-value',
      message: `redirectBackend has no ${protocol} port${named} for it`,
      remedy: 'add one to redirectBackend.toPorts, of the same name and protocol',
    });
  });
}

function readSelector(spec: LabelSelectorSpec, field: Field): LabelSelector {
  const labels = Object.entries(spec.matchLabels ?? {}).map(([key, value]) => ({ key: bare(key), operator: 'In' as const, values: [value] }));
  const expressions = (spec.matchExpressions ?? []).map(({ key, operator, values = [] }, index) => {
    if ((operator === 'In' || operator === 'NotIn') === (values.length === 0)) {
      const message = `${operator} ${values.length === 0 ? 'needs values' : 'has no values'}`;
      field.child('matchExpressions', index).report({ code: 'invalid-value', message, remedy: values.length === 0 ? 'add values' : 'remove values' });
    }
    return { key: bare(key), operator, values };
  });
  return [...labels, ...expressions];
}

/** Cilium's selectors may name the source of a label; those of pods are Kubernetes'. */
function bare(key: string): string {
  return key.replace(/^(?:k8s|any):/, '');
}
