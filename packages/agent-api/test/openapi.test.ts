import { describe, expect, it } from 'vitest';
import { openApiDocument, operations } from '../src/index.ts';

describe('openApiDocument', () => {
  const document = openApiDocument('1.2.3') as { openapi: string; paths: Record<string, Record<string, { operationId: string; responses: Record<string, unknown>; parameters: { name: string; in: string; required: boolean }[] }>> };

  it('has every operation once', () => {
    const ids = Object.values(document.paths).flatMap((path) => Object.values(path).map(({ operationId }) => operationId));
    expect(ids.sort()).toEqual(Object.keys(operations).sort());
  });

  it('describes every path parameter as required', () => {
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const { parameters } of Object.values(methods)) {
        const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
        expect(parameters.filter((p) => p.in === 'path').map((p) => p.name)).toEqual(names);
        expect(parameters.filter((p) => p.in === 'path').every((p) => p.required)).toBe(true);
      }
    }
  });

  it('is plain JSON', () => {
    expect(JSON.parse(JSON.stringify(document))).toEqual(document);
    expect(document.openapi).toBe('3.1.0');
  });

  it('keeps the hyphenated field names of the API', () => {
    expect(JSON.stringify(document.paths['/endpoint/{id}'])).toContain('container-netns-path');
  });
});
