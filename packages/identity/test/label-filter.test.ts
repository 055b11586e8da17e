import { describe, expect, it } from 'vitest';
import { createLabelFilter, labelSet } from '../src/index.ts';

const keeps = (options: Parameters<typeof createLabelFilter>[0], label: string): boolean => createLabelFilter(options)(labelSet([label])).size === 1;

describe('the default filter', () => {
  it.each([
    'reserved:host',
    'k8s:io.kubernetes.pod.namespace=shop',
    'k8s:io.cilium.k8s.namespace.labels.team=a',
    'k8s:app.kubernetes.io/name=web',
    'k8s:io.cilium.k8s.policy.cluster=default',
    'k8s:io.cilium.k8s.policy.serviceaccount=web',
    'k8s:app=web',
    'container:tier=db',
    'k8s:my-annotation',
    'k8s:xpod-template-hash',
    'k8s:io.cilium.other',
  ])('keeps %s', (label) => expect(keeps({}, label)).toBe(true));

  it.each([
    'k8s:io.kubernetes.pod.name=web-1',
    'k8s:kubernetes.io/arch=amd64',
    'k8s:statefulset.kubernetes.io/pod-name=db-0',
    'k8s:apps.kubernetes.io/pod-index=0',
    'k8s:batch.kubernetes.io/job-completion-index=1',
    'k8s:batch.kubernetes.io/controller-uid=x',
    'k8s:failure-domain.beta.kubernetes.io/zone=a',
    'k8s:k8s.io/x',
    'k8s:pod-template-generation=1',
    'k8s:pod-template-hash=abc',
    'k8s:controller-revision-hash=abc',
    'k8s:controller-uid=abc',
    'k8s:annotation.x=1',
    'k8s:annotations=1',
    'k8s:etcd_node=1',
    'k8s:topology.kubernetes.io/zone=a',
  ])('drops %s', (label) => expect(keeps({}, label)).toBe(false));

  it('is decided for each label alone', () => {
    const set = labelSet(['k8s:app=web', 'k8s:pod-template-hash=1', 'reserved:init']);
    expect(createLabelFilter()(set).toStrings()).toEqual(['k8s:app=web', 'reserved:init']);
  });
});

describe('--labels', () => {
  it.each([
    // One that keeps makes it an allow-list, beside the default ones that keep.
    [['k8s:app'], 'k8s:app=web', true],
    [['k8s:app'], 'container:app=web', false],
    [['k8s:app'], 'k8s:application=web', true],
    [['k8s:app$'], 'k8s:application=web', false],
    [['k8s:app'], 'k8s:tier=db', false],
    [['k8s:app'], 'reserved:host', true],
    [['k8s:app'], 'k8s:io.kubernetes.pod.namespace=x', true],
    // Only from the start of the key.
    [['app'], 'k8s:myapp=x', false],
    [['.*app'], 'k8s:myapp=x', true],
    // One that ignores leaves it a deny-list.
    [['k8s:!tier'], 'k8s:tier=db', false],
    [['k8s:!tier'], 'container:tier=db', true],
    [['!tier'], 'container:tier=db', false],
    [['k8s:!tier'], 'k8s:app=web', true],
    // The longest that keeps against the shortest that ignores.
    [['!foo', 'foo\\.bar'], 'k8s:foo.bar', true],
    [['!foo\\.bar', 'foo'], 'k8s:foo.bar', false],
    [['!foo', '!foo\\.bar\\.baz', 'foo\\.bar'], 'k8s:foo.bar.baz', true],
    [['!foo', 'foo'], 'k8s:foo', false],
    [['io\\.kubernetes\\.pod\\.name$'], 'k8s:io.kubernetes.pod.name', true],
    // A match of no length is none.
    [['!x*'], 'k8s:app', true],
    [[''], 'k8s:app', true],
  ])('%j: %s %s', (patterns, label, expected) => {
    expect(keeps({ labels: patterns }, label)).toBe(expected);
  });

  it.each([
    [['k8s:'], /expression is empty/],
    [['!'], /expression is empty/],
    [['k8s:!'], /expression is empty/],
    [['!k8s:app'], /follows the source: k8s:!app/],
    [['k8s:('], /not a regular expression/],
  ])('refuses %j', (patterns, message) => {
    expect(() => createLabelFilter({ labels: patterns })).toThrow(expect.objectContaining({ code: 'bad-label-filter', message: expect.stringMatching(message) as string }) as Error);
  });
});

describe('--label-prefix-file', () => {
  const reserved = { source: 'reserved', prefix: '.*' };
  const file = (...prefixes: object[]): object => ({ version: 1, 'valid-prefixes': [reserved, ...prefixes] });

  it('replaces the default list, by literal prefixes', () => {
    const prefixFile = file({ source: 'k8s', prefix: 'app.' }, { source: 'k8s', prefix: 'app.secret', invert: true });
    expect(keeps({ prefixFile }, 'k8s:app.x')).toBe(true);
    expect(keeps({ prefixFile }, 'k8s:appx')).toBe(false);
    expect(keeps({ prefixFile }, 'k8s:app.secret.x')).toBe(false);
    expect(keeps({ prefixFile }, 'k8s:io.kubernetes.pod.namespace')).toBe(false);
    expect(keeps({ prefixFile }, 'reserved:host')).toBe(true);
    expect(keeps({ prefixFile, labels: ['k8s:tier'] }, 'k8s:tier')).toBe(true);
  });

  it('needs the reserved labels, here or in --labels', () => {
    const bare = { version: 1, 'valid-prefixes': [{ source: 'k8s', prefix: 'app' }] };
    expect(() => createLabelFilter({ prefixFile: bare })).toThrow(/reserved labels are missing; add/);
    expect(keeps({ prefixFile: bare, labels: ['reserved:.*'] }, 'reserved:host')).toBe(true);
  });

  it.each([[{ version: 2, 'valid-prefixes': [] }, /version/], [{ version: 1 }, /valid-prefixes/], [file({ source: 'k8s', prefix: '' }), /valid-prefixes\.1\.prefix/], [file({ prefix: 'x' }), /valid-prefixes\.1\.source/], ['text', /read label prefix file/], [null, /read label prefix file/]])('refuses %j', (prefixFile, message) => {
    expect(() => createLabelFilter({ prefixFile })).toThrow(message);
  });
});
