import type { DocumentEvent, Event, MappingEvent, ScalarEvent, SequenceEvent } from 'js-yaml';
import type { Anchors } from './anchors.ts';
import { createAnchors } from './anchors.ts';
import type { YamlNode } from './node.ts';
import { endsIndicator } from './scan.ts';
import type { ScalarTag } from './tag.ts';
import { readTag } from './tag.ts';
import { YamlFault } from './yaml-fault.ts';

/** How deep lists and maps may be in each other: what walks them recurses. */
export const MOST_DEPTH = 250;

/** A document while it is composed. */
export interface Composer {
  readonly source: string;
  readonly document: DocumentEvent;
  readonly anchors: Anchors;
  /** Offset behind what was read last. */
  cursor: number;
  /** How many entries merge keys brought so far. */
  merged: number;
  next(): Event;
}

/** A composer for a document, of which only the first event was read. */
export function createComposer(source: string, document: DocumentEvent, events: Iterator<Event>): Composer {
  const next = (): Event => {
    const event = events.next();
    if (event.done === true) throw new YamlFault('the document ends too early', source.length);
    return event.value;
  };
  return { source, document, anchors: createAnchors(), cursor: 0, merged: 0, next };
}

/** What stands in front of a value. */
export interface Properties {
  readonly tag: ScalarTag | undefined;
  /** To be called with the value when it was read in full. */
  readonly close: (node: YamlNode) => void;
}

/** Reads tag and anchor. The cursor is behind them then. */
export function readProperties(composer: Composer, event: ScalarEvent | MappingEvent | SequenceEvent): Properties {
  const { source, document, anchors } = composer;
  const { anchorStart, anchorEnd, tagStart, tagEnd } = event;
  composer.cursor = Math.max(composer.cursor, anchorEnd, tagEnd);
  for (const end of [anchorEnd, tagEnd]) {
    if (end >= 0 && !endsIndicator(source[end]) && !',]}'.includes(source[end]!)) throw new YamlFault('white space is missing behind a tag or an anchor', end);
  }
  const tag = tagStart < 0 ? undefined : readTag(source.slice(tagStart, tagEnd), document.directives, tagStart);
  return { tag, close: anchorStart < 0 ? () => {} : anchors.open(source.slice(anchorStart, anchorEnd)) };
}

/** Height of a list or map with these members. */
export function heightOver(members: Iterable<YamlNode>, at: number): number {
  let height = 1;
  for (const member of members) height = Math.max(height, member.height + 1);
  if (height > MOST_DEPTH) throw new YamlFault(TOO_DEEP, at);
  return height;
}

/** Said of a document that is deeper than {@link MOST_DEPTH}. */
export const TOO_DEEP = `lists and maps are more than ${MOST_DEPTH} deep in each other`;
