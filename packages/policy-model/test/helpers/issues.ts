import { expect } from 'vitest';
import type { PolicyIssue } from '../../src/index.ts';
import { parsePolicies } from '../../src/index.ts';

/** `line:column code field | message | remedy` of each issue. */
export function describeIssues(text: string): string[] {
  return parsePolicies(text, { file: 'shop.yaml' }).issues.map(describe);
}

function describe({ line, column, code, field, message, remedy, file }: PolicyIssue): string {
  expect(file).toBe('shop.yaml');
  return `${line}:${column} ${code} ${field} | ${message} | ${remedy}`;
}

/** A policy whose spec begins in line 5, in column 3. */
export function cnpText(spec: string, kind = 'CiliumNetworkPolicy'): string {
  return `apiVersion: cilium.io/v2\nkind: ${kind}\nmetadata: { name: web }\nspec:\n  ${spec}\n`;
}
