import { z } from 'zod';
import { operations, type Operation } from './operations.ts';
import { ApiError } from './schema/common.ts';

/** A JSON document in OpenAPI 3.1 form. */
export type OpenApiDocument = Record<string, unknown>;

const contentTypes = { json: 'application/json', text: 'application/yaml', ndjson: 'application/x-ndjson' } as const;

const schemaOf = (schema: z.ZodType, io: 'input' | 'output'): unknown => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Record<string, unknown>;
  return rest;
};

const parametersOf = (object: z.ZodObject | undefined, place: 'path' | 'query'): unknown[] =>
  Object.entries(object?.shape ?? {}).map(([name, schema]) => ({
    name, in: place, required: place === 'path' || !(schema as z.ZodType).safeParse(undefined).success, schema: schemaOf(schema as z.ZodType, 'input'),
  }));

const errorText: Record<number, string> = { 400: 'The request is wrong', 404: 'No such thing', 409: 'In conflict with what exists', 500: 'Failed, and undone', 503: 'The agent is not ready' };

const responsesOf = (operation: Operation): Record<string, unknown> => {
  const responses: Record<string, unknown> = {
    [operation.success.status]: { description: 'Success', content: { [contentTypes[operation.success.kind]]: { schema: schemaOf(operation.success.schema, 'output') } } },
  };
  for (const status of operation.errors) {
    responses[status] = { description: errorText[status] ?? 'Error', content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } } };
  }
  return responses;
};

const describe = (name: string, operation: Operation): unknown => ({
  operationId: name,
  summary: operation.summary,
  tags: [operation.path.split('/')[1]],
  parameters: [...parametersOf(operation.params, 'path'), ...parametersOf(operation.query, 'query')],
  ...(operation.body && { requestBody: { required: true, content: { [contentTypes[operation.body.kind]]: { schema: schemaOf(operation.body.schema, 'input') } } } }),
  responses: responsesOf(operation),
});

/** The OpenAPI 3.1 document of the API, made from the same schemas that check requests. */
export const openApiDocument = (version: string): OpenApiDocument => {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const [name, operation] of Object.entries(operations)) {
    (paths[operation.path] ??= {})[operation.method.toLowerCase()] = describe(name, operation);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'cilium-agent', version, license: { name: 'Apache-2.0' } },
    servers: [{ url: '/v1' }],
    paths,
    components: { schemas: { Error: schemaOf(ApiError, 'output') } },
  };
};
