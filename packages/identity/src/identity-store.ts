import { errorMessage } from '@cilium-ts/core';
import * as z from 'zod/mini';
import { IdentityError } from './error.ts';
import type { IdentityRange, IdentityScope } from './numeric.ts';
import { labelSet } from './label-set.ts';

/** What an allocator keeps over restarts: plain data, to be written as one JSON document. */
export const IdentityRecords = z.object({
  version: z.literal(1),
  scope: z.enum(['global', 'local', 'remote-node']),
  /** The number to try first for new labels. */
  next: z.int(),
  identities: z.array(
    z.object({
      id: z.int(),
      labels: z.array(z.object({ source: z.string(), key: z.string().check(z.minLength(1)), value: z.string() })),
      /** When it was released, in milliseconds since 1970; absent while it is in use. */
      releasedAt: z.optional(z.number()),
    }),
  ),
});
export type IdentityRecords = z.infer<typeof IdentityRecords>;

/**
 * Where an allocator's state survives a restart. Synchronous: a number is given out only after it has been saved.
 * `save` must replace the whole state or leave the former one in place (write a temporary file, sync, rename).
 */
export interface IdentityStore {
  /** What was saved last, `undefined` if nothing ever was. Content is checked by the allocator. */
  load(): unknown;
  save(records: IdentityRecords): void;
}

/** A store that forgets with the process. For tests, and for identities that need not survive. */
export function createMemoryStore(initial?: IdentityRecords): IdentityStore & { records(): IdentityRecords | undefined } {
  let saved = initial;
  return {
    load: () => saved,
    save: (records) => {
      saved = structuredClone(records);
    },
    records: () => saved,
  };
}

function corrupt(why: string): IdentityError {
  const remedy = 'restore the file from a backup, or remove it to number identities afresh';
  return new IdentityError('store-corrupt', `read identity store: ${why}; nothing was changed; ${remedy}`);
}

/**
 * Reads and checks what the store holds. Nothing is ever saved over content that this refuses.
 * Throws IdentityError `store-read` where loading fails, `store-corrupt` where the content is not what was saved:
 * another version or scope, numbers outside of the range, a number or a set of labels that occurs twice.
 */
export function loadRecords(store: IdentityStore, scope: IdentityScope, range: IdentityRange): IdentityRecords | undefined {
  let content: unknown;
  try {
    content = store.load();
  } catch (cause) {
    throw new IdentityError('store-read', `read identity store: ${errorMessage(cause)}`, { cause });
  }
  if (content === undefined) return undefined;
  const parsed = z.safeParse(IdentityRecords, content);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw corrupt(`field ${issue?.path.join('.') || '(whole)'}: ${issue?.message}`);
  }
  const records = parsed.data;
  if (records.scope !== scope) throw corrupt(`field scope: expected ${scope}, found ${records.scope}`);
  const ids = new Set<number>();
  const texts = new Set<string>();
  for (const [index, { id, labels }] of records.identities.entries()) {
    const { text } = labelSet(labels);
    if (id < range.first || id > range.last) throw corrupt(`field identities.${index}.id: ${id} is out of range`);
    if (ids.has(id)) throw corrupt(`field identities.${index}.id: ${id} occurs twice`);
    if (texts.has(text)) throw corrupt(`field identities.${index}.labels: ${text} occurs twice`);
    ids.add(id);
    texts.add(text);
  }
  return records;
}
