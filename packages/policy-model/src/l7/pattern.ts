import type { CharTest } from './char-class.ts';
import type { PatternNode, RepeatNode } from './pattern-syntax.ts';
import { EDGE, PatternSyntaxError, parsePattern } from './pattern-syntax.ts';

/** A pattern of an HTTP rule, ready to be held against texts. */
export interface Pattern {
  /** Whether the text as a whole matches. Takes time in proportion to its length, whatever the pattern. */
  matches(text: string): boolean;
}

/** What is wrong with a pattern, and where: the index of the character (UTF-16 unit), counted from 0. */
export interface PatternError {
  readonly error: string;
  readonly at: number;
}

/** A step: takes a character, checks the surroundings, goes on in two places, or has arrived. */
type Step =
  | { readonly test: CharTest }
  | { readonly holds: (before: number, after: number) => boolean }
  | { readonly next: number[] }
  | { readonly end: true };

/** More steps than this only counts upon counts need. */
const MAX_STEPS = 20_000;

/**
 * The pattern of a method, path or host in an HTTP rule: RE2's syntax (what Go and Envoy read), anchored at both ends.
 * What RE2 refuses, such as references and looking ahead, is refused here.
 */
export function compilePattern(text: string): Pattern | PatternError {
  const steps: Step[] = [];
  try {
    emit(parsePattern(text), steps);
  } catch (error) {
    if (error instanceof PatternSyntaxError) return { error: error.message, at: error.at };
    throw error;
  }
  steps.push({ end: true });
  return { matches: (subject) => run(steps, subject) };
}

/** Appends the steps of a node; whoever leaves them by their end has matched it. */
function emit(node: PatternNode, steps: Step[]): void {
  if (steps.length > MAX_STEPS) throw new PatternSyntaxError('its counts make it too large', 0);
  if (node.kind === 'char') steps.push({ test: node.test });
  else if (node.kind === 'assert') steps.push({ holds: node.holds });
  else if (node.kind === 'repeat') emitRepeat(node, steps);
  else if (node.kind === 'all') for (const part of node.parts) emit(part, steps);
  else emitChoice(node.parts, steps);
}

function emitChoice(parts: readonly PatternNode[], steps: Step[]): void {
  const choice: number[] = [];
  const ends: number[][] = [];
  steps.push({ next: choice });
  for (const part of parts) {
    choice.push(steps.length);
    emit(part, steps);
    const end: number[] = [];
    ends.push(end);
    steps.push({ next: end });
  }
  for (const end of ends) end.push(steps.length);
}

function emitRepeat({ part, least, most }: RepeatNode, steps: Step[]): void {
  for (let i = 0; i < least; i++) emit(part, steps);
  if (most === Infinity) {
    const loop = steps.length;
    const choice = [loop + 1];
    steps.push({ next: choice });
    emit(part, steps);
    steps.push({ next: [loop] });
    choice.push(steps.length);
    return;
  }
  const skips: number[][] = [];
  for (let i = least; i < most; i++) {
    const choice = [steps.length + 1];
    skips.push(choice);
    steps.push({ next: choice });
    emit(part, steps);
  }
  for (const skip of skips) skip.push(steps.length);
}

/** All ways through the steps at once, character by character (Thompson's construction): none is ever tried twice. */
function run(steps: readonly Step[], text: string): boolean {
  const seen = new Int32Array(steps.length).fill(-1);
  let places = [0];
  let before = EDGE;
  for (let at = 0; ; ) {
    const after = text.codePointAt(at) ?? EDGE;
    const waiting: number[] = [];
    while (places.length > 0) {
      const place = places.pop()!;
      if (seen[place] === at) continue;
      seen[place] = at;
      const step = steps[place]!;
      if ('next' in step) places.push(...step.next);
      else if ('test' in step) waiting.push(place);
      else if ('end' in step) {
        if (after === EDGE) return true;
      } else if (step.holds(before, after)) places.push(place + 1);
    }
    if (after === EDGE || waiting.length === 0) return false;
    places = waiting.filter((place) => (steps[place] as { test: CharTest }).test(after)).map((place) => place + 1);
    before = after;
    at += after > 0xffff ? 2 : 1;
  }
}
