import * as z from 'zod/mini';
import { IdentityError } from './error.ts';
import type { Label } from './label.ts';
import type { LabelSet } from './label-set.ts';
import { labelSet } from './label-set.ts';

/** Reduces the labels of a workload to those that decide its identity. */
export type LabelFilter = (labels: LabelSet) => LabelSet;

/** The parsed JSON of a label prefix file (`--label-prefix-file`). */
export const LabelPrefixFile = z.object({
  version: z.literal(1),
  'valid-prefixes': z.array(
    z.object({
      /** Literal beginning of the key; `.*` under source `reserved` stands for all. */
      prefix: z.string().check(z.minLength(1)),
      source: z.string().check(z.minLength(1)),
      /** Ignore such labels instead of keeping them. */
      invert: z.optional(z.boolean()),
    }),
  ),
});
export type LabelPrefixFile = z.infer<typeof LabelPrefixFile>;

interface Pattern {
  readonly ignore: boolean;
  readonly source: string;
  readonly text: string;
  /** Length of the match at the start of the key, or `undefined`. */
  match(key: string): number | undefined;
}

/**
 * Kept, then ignored (`!`), each a regular expression that must match from the start of the key. The list is Cilium's
 * default: it keeps what an operator sees as the workload's role, and drops what differs between its replicas.
 */
const DEFAULTS: readonly string[] = [
  'reserved:.*',
  String.raw`io\.kubernetes\.pod\.namespace`,
  String.raw`io\.cilium\.k8s\.namespace\.labels`,
  String.raw`app\.kubernetes\.io`,
  String.raw`io\.cilium\.k8s\.policy\.cluster`,
  String.raw`io\.cilium\.k8s\.policy\.serviceaccount`,
  String.raw`!io\.kubernetes`,
  String.raw`!kubernetes\.io`,
  String.raw`!statefulset\.kubernetes\.io/pod-name`,
  String.raw`!apps\.kubernetes\.io/pod-index`,
  String.raw`!batch\.kubernetes\.io/job-completion-index`,
  String.raw`!batch\.kubernetes\.io/controller-uid`,
  String.raw`!.*beta\.kubernetes\.io`,
  String.raw`!k8s\.io`,
  '!pod-template-generation',
  '!pod-template-hash',
  '!controller-revision-hash',
  '!controller-uid',
  '!annotation.*',
  '!etcd_node',
  String.raw`!topology\.kubernetes\.io`,
];

/** Reads `[source:][!]expression`. */
function parsePattern(written: string): Pattern {
  const fail = (why: string, cause?: unknown): IdentityError =>
    new IdentityError('bad-label-filter', `read label pattern ${JSON.stringify(written)}: ${why}`, { cause });
  const colon = written.indexOf(':');
  const source = written.slice(0, Math.max(0, colon));
  const rest = written.slice(colon + 1);
  if (source.startsWith('!')) throw fail(`the exclamation mark follows the source: ${source.slice(1)}:!${rest}`);
  const ignore = rest.startsWith('!');
  const text = ignore ? rest.slice(1) : rest;
  if (text === '') throw fail('the expression is empty');
  let expression: RegExp;
  try {
    expression = new RegExp(text, 'y');
  } catch (cause) {
    throw fail('not a regular expression', cause);
  }
  const match = (key: string): number | undefined => {
    expression.lastIndex = 0;
    return expression.exec(key)?.[0].length;
  };
  return { ignore, source, text, match };
}

function readPrefixFile(content: unknown): Pattern[] {
  const parsed = z.safeParse(LabelPrefixFile, content);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where = issue?.path.join('.') ?? '';
    throw new IdentityError('bad-label-filter', `read label prefix file: ${where}: ${issue?.message}`);
  }
  return parsed.data['valid-prefixes'].map(({ prefix, source, invert = false }) => {
    const all = source === 'reserved' && prefix === '.*';
    const match = (key: string): number | undefined =>
      all ? key.length : key.startsWith(prefix) ? prefix.length : undefined;
    return { ignore: invert, source, text: prefix, match };
  });
}

/** Longest match of those that keep against shortest of those that ignore; a match of length 0 counts as none. */
function isRelevant(label: Label, patterns: readonly Pattern[], allowList: boolean): boolean {
  let included = 0;
  let ignored = 0;
  for (const pattern of patterns) {
    if (pattern.source !== '' && pattern.source !== label.source) continue;
    const length = pattern.match(label.key);
    if (length === undefined) continue;
    if (!pattern.ignore) included = Math.max(included, length);
    else if (ignored === 0 || length < ignored) ignored = length;
  }
  return (!allowList && ignored === 0) || included > ignored;
}

/**
 * The filter of these options: the default list or, in its place, a label prefix file, and then the `labels` patterns.
 * A pattern of the user's that keeps labels makes the filter an allow-list: what no pattern keeps is dropped.
 * Throws IdentityError `bad-label-filter` for unusable patterns or files, and for a file which, together with
 * `labels`, lacks `reserved:.*`, without which no reserved identity would be recognised.
 */
export function createLabelFilter(
  options: { readonly labels?: readonly string[]; readonly prefixFile?: unknown } = {},
): LabelFilter {
  const fromFile = options.prefixFile === undefined ? undefined : readPrefixFile(options.prefixFile);
  const added = (options.labels ?? []).filter((text) => text !== '').map(parsePattern);
  const patterns = [...(fromFile ?? DEFAULTS.map(parsePattern)), ...added];
  if (fromFile !== undefined && !patterns.some(({ source, text }) => source === 'reserved' && text === '.*')) {
    const remedy = 'add {"source": "reserved", "prefix": ".*"} to valid-prefixes';
    throw new IdentityError('bad-label-filter', `read label prefix file: reserved labels are missing; ${remedy}`);
  }
  const allowList = [...(fromFile ?? []), ...added].some(({ ignore }) => !ignore);
  return (labels) => labelSet([...labels].filter((label) => isRelevant(label, patterns, allowList)));
}
