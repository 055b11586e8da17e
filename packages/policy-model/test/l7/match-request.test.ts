import { describe, expect, test } from 'vitest';
import type { HttpRule, KafkaRule } from '../../src/index.ts';
import { matchRequest } from '../../src/l7/match-request.ts';
import type { HttpRequest, KafkaRequest } from '../../src/l7/request.ts';

const http = (rules: HttpRule[], request: Partial<HttpRequest>) => matchRequest({ kind: 'http', rules }, { http: { method: 'GET', path: '/', ...request } });

describe('HTTP', () => {
  test('patterns are held against the whole value', () => {
    const rules = [{ method: 'GET|HEAD', path: '/public/.*', host: '.*\\.example\\.org' }];
    const request = { path: '/public/a?b=c', host: 'www.example.org' };
    expect(http(rules, request)).toEqual({ matches: true, index: 0, mismatches: [] });
    expect(http(rules, { ...request, method: 'GETS' }).mismatches).toEqual(['the method "GETS" does not match GET|HEAD']);
    expect(http(rules, { ...request, path: '/public' }).mismatches).toEqual(['the path "/public" does not match /public/.*']);
    expect(http(rules, { path: '/public/' }).mismatches).toEqual(['the host "" does not match .*\\.example\\.org']);
  });

  test('an empty rule and an empty list let everything pass', () => {
    expect(http([{}], {})).toEqual({ matches: true, index: 0, mismatches: [] });
    expect(http([], {})).toEqual({ matches: true, mismatches: [] });
  });

  test('any rule is enough, and the first that matches is named', () => {
    expect(http([{ method: 'PUT' }, { path: '/' }, {}], {})).toEqual({ matches: true, index: 1, mismatches: ['the method "GET" does not match PUT'] });
  });

  test.each<[string, string[], Record<string, string>, boolean]>([
    ['a name must be there', ['X-Token'], { 'x-token': '' }, true],
    ['a name that is not there', ['X-Token'], {}, false],
    ['a value, names in any case', ['X-Token: secret one'], { 'x-tOKEN': 'secret one' }, true],
    ['another value', ['X-Token: secret'], { 'x-token': 'SECRET' }, false],
    ['all of them', ['A: 1', 'B'], { a: '1' }, false],
  ])('headers: %s', (_, headers, sent, matches) => {
    expect(http([{ headers }], { headers: sent }).matches).toBe(matches);
  });

  test.each<[string, NonNullable<HttpRule['headerMatches']>[number], Partial<HttpRequest>, boolean]>([
    ['a value', { name: 'X', value: '1' }, { headers: { x: '1' } }, true],
    ['another value', { name: 'X', value: '1' }, { headers: { x: '2' } }, false],
    ['no value: the header must be there', { name: 'X' }, {}, false],
    ['a mismatch that is logged', { name: 'X', value: '1', mismatch: 'LOG' }, {}, true],
    ['a mismatch that is mended', { name: 'X', value: '1', mismatch: 'REPLACE' }, { headers: { x: '2' } }, true],
    ['a secret', { name: 'X', secret: { namespace: 'shop', name: 'token' } }, { headers: { x: 's' }, secrets: { 'shop/token': 's' } }, true],
    ['another value than the secret', { name: 'X', secret: { name: 'token' } }, { headers: { x: 't' }, secrets: { token: 's' } }, false],
    ['a secret that nobody told', { name: 'X', secret: { name: 'token' } }, { headers: { x: 's' } }, false],
  ])('header matches: %s', (_, match, request, matches) => {
    expect(http([{ headerMatches: [match] }], request).matches).toBe(matches);
  });

  test('a pattern that is none matches nothing', () => {
    expect(http([{ path: '(' }], { path: '(' }).matches).toBe(false);
  });
});

describe('Kafka', () => {
  const kafka = (rules: KafkaRule[], request: Partial<KafkaRequest>) => matchRequest({ kind: 'kafka', rules }, { kafka: { apiKey: 0, ...request } });
  test.each<[string, KafkaRule, Partial<KafkaRequest>, boolean]>([
    ['no key means every key', { apiKeys: [] }, { apiKey: 17 }, true],
    ['a key of the role', { apiKeys: [0, 3, 18] }, { apiKey: 3 }, true],
    ['another key', { apiKeys: [0, 3, 18] }, { apiKey: 1 }, false],
    ['a version', { apiKeys: [], apiVersion: 2 }, { apiVersion: 2 }, true],
    ['another version', { apiKeys: [], apiVersion: 2 }, { apiVersion: 3 }, false],
    ['a client', { apiKeys: [], clientId: 'a' }, { clientId: 'a' }, true],
    ['another client', { apiKeys: [], clientId: 'a' }, {}, false],
    ['a topic', { apiKeys: [], topic: 't' }, { topics: ['t'] }, true],
    ['another topic', { apiKeys: [], topic: 't' }, { topics: ['t', 'u'] }, false],
    ['a request without topics', { apiKeys: [], topic: 't' }, { apiKey: 18 }, true],
  ])('%s', (_, rule, request, matches) => {
    expect(kafka([rule], request).matches).toBe(matches);
  });

  test('topics may be allowed by different rules', () => {
    const rules = [{ apiKeys: [0], topic: 't' }, { apiKeys: [0], topic: 'u' }];
    expect(kafka(rules, { topics: ['t', 'u'] })).toMatchObject({ matches: true });
    expect(kafka(rules, { topics: ['t', 'v'] })).toMatchObject({ matches: false });
    expect(kafka([{ apiKeys: [0], topic: 't' }, { apiKeys: [1], topic: 'u' }], { topics: ['t', 'u'] })).toMatchObject({ matches: false });
  });
});

test('DNS: names and patterns', () => {
  const rules = [{ name: 'api.example.org.' }, { pattern: '*.cdn.example.org.' }, { pattern: '**.deep.example.org.' }];
  const dns = (name: string) => matchRequest({ kind: 'dns', rules }, { dns: { name } });
  expect(dns('API.example.org')).toEqual({ matches: true, index: 0, mismatches: [] });
  expect(dns('a-1.cdn.example.org.')).toMatchObject({ matches: true, index: 1 });
  expect(dns('a.b.deep.example.org')).toMatchObject({ matches: true, index: 2 });
  expect(dns('a.b.cdn.example.org')).toEqual({
    matches: false,
    mismatches: ['the name a.b.cdn.example.org is not api.example.org.', 'the name a.b.cdn.example.org is not of the pattern *.cdn.example.org.', 'the name a.b.cdn.example.org is not of the pattern **.deep.example.org.'],
  });
});

test('generic: every key of a rule, with its value', () => {
  const generic = (fields: Record<string, string>, rules: Record<string, string>[] = [{ cmd: 'get', key: 'a' }]) =>
    matchRequest({ kind: 'generic', parser: 'memcache', rules }, { generic: { parser: 'memcache', fields } });
  expect(generic({ cmd: 'get', key: 'a', more: '' }).matches).toBe(true);
  expect(generic({ cmd: 'get' }).mismatches).toEqual(['there is no key']);
  expect(generic({ cmd: 'set', key: 'a' }).mismatches).toEqual(['cmd is "set", not "get"']);
  expect(generic({ cmd: 'set' }, [{}]).matches).toBe(true);
  expect(generic({}, [{ toString: 'x' }]).mismatches).toEqual(['there is no toString']);
});

test('a request of another protocol passes nowhere, not even by an empty list', () => {
  expect(matchRequest({ kind: 'http', rules: [] }, { dns: { name: 'a' } })).toEqual({ matches: false, mismatches: ['the request is dns, the rules are http'] });
  expect(matchRequest({ kind: 'generic', parser: 'r2d2', rules: [] }, { generic: { parser: 'redis', fields: {} } })).toEqual({ matches: false, mismatches: ['the request is redis, the rules are r2d2'] });
});
