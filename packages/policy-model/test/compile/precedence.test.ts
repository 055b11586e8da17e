import { describe, expect, test } from 'vitest';
import { MATCH_TYPE } from '../../src/index.ts';
import { outside, pod } from '../helpers/identities.ts';
import { ccnp, cnp, decide, repositoryOf } from '../helpers/policies.ts';

const web = pod('shop', { app: 'web' });
const db = pod('shop', { app: 'db' });
const { l3Only, l3L4, l4Only, all, l3Proto, protoOnly } = MATCH_TYPE;

const fromWeb = { fromEndpoints: [{ matchLabels: { app: 'web' } }] };
const everybody = { fromEntities: ['all'] };
const on = (port: string, endPort?: number) => ({ toPorts: [{ ports: [{ port, protocol: 'TCP', ...(endPort === undefined ? {} : { endPort }) }] }] });

const verdict = (spec: object, port = 80) => {
  const { action, match } = decide('ingress', { repository: repositoryOf(cnp({ endpointSelector: { matchLabels: { app: 'db' } }, ...spec })), from: web, to: db, port });
  return [action, match];
};

describe('deny beats allow, however specific', () => {
  test.each<[string, object, (string | number)[]]>([
    ['everything denied, one port allowed', { ingress: [{ ...fromWeb, ...on('80') }], ingressDeny: [everybody] }, ['deny', all]],
    ['the peer denied, one port allowed to all', { ingress: [on('80')], ingressDeny: [fromWeb] }, ['deny', l3Only]],
    ['one port denied, everything allowed', { ingress: [everybody], ingressDeny: [{ ...fromWeb, ...on('80') }] }, ['deny', l3L4]],
    ['a range denied to all, the port allowed to the peer', { ingress: [{ ...fromWeb, ...on('80') }], ingressDeny: [on('1', 100)] }, ['deny', l4Only]],
    ['the same peer and port, both', { ingress: [{ ...fromWeb, ...on('80') }], ingressDeny: [{ ...fromWeb, ...on('80') }] }, ['deny', l3L4]],
    ['the protocol denied', { ingress: [everybody], ingressDeny: [on('0')] }, ['deny', protoOnly]],
    ['another port denied', { ingress: [everybody], ingressDeny: [on('81')] }, ['allow', all]],
    ['another peer denied', { ingress: [everybody], ingressDeny: [{ fromEndpoints: [{ matchLabels: { app: 'x' } }] }] }, ['allow', all]],
  ])('%s', (_name, spec, expected) => {
    expect(verdict(spec)).toEqual(expected);
  });

  test('across policies of different scope', () => {
    const allow = cnp({ endpointSelector: {}, ingress: [{ fromEndpoints: [{}] }] });
    const deny = ccnp({ endpointSelector: {}, ingressDeny: [{ fromEndpoints: [{ matchLabels: { app: 'web' } }] }] });
    expect(decide('ingress', { repository: repositoryOf(allow, deny), from: web, to: db }).action).toBe('deny');
  });

  test('a denied prefix inside of an allowed one', () => {
    const spec = { endpointSelector: {}, egress: [{ toCIDR: ['198.51.100.0/24'] }], egressDeny: [{ toCIDR: ['198.51.100.128/25'] }] };
    const repository = repositoryOf(cnp(spec));
    const half = outside('198.51.100.128/25', ['198.51.100.0/24']);
    expect(decide('egress', { repository, from: db, to: outside('198.51.100.0/24') }).action).toBe('allow');
    expect(decide('egress', { repository, from: db, to: half }).action).toBe('deny');
  });
});

describe('match types', () => {
  test.each<[string, object, (string | number)[]]>([
    ['the peer', { ingress: [fromWeb] }, ['allow', l3Only]],
    ['the peer and the port', { ingress: [{ ...fromWeb, ...on('80') }] }, ['allow', l3L4]],
    ['the port', { ingress: [on('80')] }, ['allow', l4Only]],
    ['nothing', { ingress: [everybody] }, ['allow', all]],
    ['the peer and the protocol', { ingress: [{ ...fromWeb, ...on('0') }] }, ['allow', l3Proto]],
    ['the protocol', { ingress: [on('0')] }, ['allow', protoOnly]],
    // Among permissions the narrowest decides.
    ['the peer, and the port', { ingress: [fromWeb, on('80')] }, ['allow', l4Only]],
    ['the peer and the port, and everything', { ingress: [{ ...fromWeb, ...on('80') }, everybody] }, ['allow', l3L4]],
    ['the peer, and everything', { ingress: [fromWeb, everybody] }, ['allow', l3Only]],
    ['the protocol, and the peer', { ingress: [on('0'), fromWeb] }, ['allow', protoOnly]],
    ['the peer with the protocol, and the protocol', { ingress: [{ ...fromWeb, ...on('0') }, on('0')] }, ['allow', l3Proto]],
    // The same port with and without the peer: what is allowed to everybody makes the other superfluous.
    ['the peer and the port, and the port', { ingress: [{ ...fromWeb, ...on('80') }, on('80')] }, ['allow', l4Only]],
    ['the peer with a range, and the port', { ingress: [{ ...fromWeb, ...on('80', 90) }, on('80')] }, ['allow', l4Only]],
    ['the peer with the port, and a range', { ingress: [{ ...fromWeb, ...on('80') }, on('80', 90)] }, ['allow', l3L4]],
    ['the peer and a range, and another range as wide', { ingress: [{ ...fromWeb, ...on('80', 90) }, on('79', 89)] }, ['allow', l3L4]],
    // Among denials the widest.
    ['denied: the peer, and the port', { ingressDeny: [fromWeb, on('80')] }, ['deny', l3Only]],
    ['denied: the peer and the port, and everything', { ingressDeny: [{ ...fromWeb, ...on('80') }, everybody] }, ['deny', all]],
    ['denied: the peer, and everything', { ingressDeny: [fromWeb, everybody] }, ['deny', all]],
    ['denied: the peer and the port, and the port', { ingressDeny: [{ ...fromWeb, ...on('80') }, on('80')] }, ['deny', l4Only]],
  ])('%s', (_name, spec, expected) => {
    expect(verdict(spec)).toEqual(expected);
  });
});
