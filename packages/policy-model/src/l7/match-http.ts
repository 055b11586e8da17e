import type { HeaderMatch, HttpRule } from '../model/l7.ts';
import type { Pattern } from './pattern.ts';
import { compilePattern } from './pattern.ts';
import type { HttpRequest } from './request.ts';

type Check = (request: HttpRequest) => string | undefined;

/** Rules are immutable: what is made of one never grows old. */
const compiled = new WeakMap<HttpRule, readonly Check[]>();

/**
 * What of the request a rule does not allow, in words; `undefined` where it allows it. Every field of the rule must
 * match: patterns the whole of method, path (with its query) and host, and letters as they are.
 */
export function httpMismatch(rule: HttpRule, request: HttpRequest): string | undefined {
  let checks = compiled.get(rule);
  if (checks === undefined) compiled.set(rule, (checks = compileRule(rule)));
  for (const check of checks) {
    const mismatch = check(request);
    if (mismatch !== undefined) return mismatch;
  }
  return undefined;
}

function compileRule(rule: HttpRule): readonly Check[] {
  const checks: Check[] = [];
  for (const field of ['method', 'path', 'host'] as const) {
    const text = rule[field];
    if (text !== undefined && text !== '') checks.push(patternCheck(field, text));
  }
  for (const text of rule.headers ?? []) {
    // `X-Token: value`; a name alone must merely be there.
    const space = text.indexOf(' ');
    const name = (space < 0 ? text : text.slice(0, space)).replace(/:+$/, '');
    checks.push(headerCheck(name, space < 0 ? '' : text.slice(space + 1)));
  }
  for (const match of rule.headerMatches ?? []) checks.push(...matchChecks(match));
  return checks;
}

function patternCheck(field: 'method' | 'path' | 'host', text: string): Check {
  const pattern: Pattern | undefined = ((made) => ('error' in made ? undefined : made))(compilePattern(text));
  return (request) => {
    const value = request[field] ?? '';
    return pattern?.matches(value) === true ? undefined : `the ${field} ${JSON.stringify(value)} does not match ${text}`;
  };
}

function headerCheck(name: string, wanted: string): Check {
  return ({ headers = {} }) => {
    const value = findHeader(headers, name);
    if (value === undefined) return `there is no header ${name}`;
    return wanted === '' || value === wanted ? undefined : `the header ${name} is ${JSON.stringify(value)}, not ${JSON.stringify(wanted)}`;
  };
}

/** With a `mismatch` the request is changed or merely logged, and goes on. */
function matchChecks({ name, value = '', secret, mismatch }: HeaderMatch): Check[] {
  if (mismatch !== undefined) return [];
  if (value !== '' || secret === undefined) return [headerCheck(name, value)];
  return [
    (request) => {
      const full = secret.namespace === undefined ? secret.name : `${secret.namespace}/${secret.name}`;
      const known = request.secrets?.[full];
      return known === undefined ? `the value of the secret ${full} for the header ${name} is not known here` : headerCheck(name, known)(request);
    },
  ];
}

function findHeader(headers: Readonly<Record<string, string>>, name: string): string | undefined {
  const lower = name.toLowerCase();
  for (const [key, value] of Object.entries(headers)) if (key.toLowerCase() === lower) return value;
  return undefined;
}
