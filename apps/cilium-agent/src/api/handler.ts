import type { operations, OperationName } from '@cilium-ts/agent-api';
import type { z } from 'zod';

type Operations = typeof operations;
type Parsed<S> = S extends z.ZodType ? z.output<S> : undefined;
type Field<O, Name extends string> = O extends Readonly<Record<Name, infer S>> ? S : undefined;

/** What a call brings, checked against the operation's schemas. */
export interface CallInput<O> {
  readonly params: Parsed<Field<O, 'params'>>;
  readonly query: Parsed<Field<O, 'query'>>;
  readonly body: O extends { readonly body: { readonly schema: infer S } } ? Parsed<S> : undefined;
  /** Fires when the caller is gone. */
  readonly signal: AbortSignal;
}

/** What a call is answered with. */
export type CallOutput<O> = O extends { readonly success: { readonly kind: infer K; readonly schema: infer S } }
  ? K extends 'ndjson'
    ? AsyncIterable<Parsed<S>>
    : Parsed<S>
  : never;

/** Serves one operation. */
export type Handler<K extends OperationName> = (input: CallInput<Operations[K]>) => CallOutput<Operations[K]> | Promise<CallOutput<Operations[K]>>;

/** Serves every operation of the API. */
export type Handlers = { readonly [K in OperationName]: Handler<K> };
