import type { Prefilter as PrefilterView, PrefilterChange } from '@cilium-ts/agent-api';
import { parseCidr } from '@cilium-ts/core';
import type { Cidr } from '@cilium-ts/core';
import type { Prefilter, PrefilterOutcome } from '@cilium-ts/datapath-programs';
import { AgentError } from '../error.ts';
import type { Handlers } from './handler.ts';

type PrefilterHandlers = Pick<Handlers, 'getPrefilter' | 'patchPrefilter' | 'deletePrefilter'>;

/** What the handlers work with: the prefilter, if this agent has one. */
export interface PrefilterState {
  readonly prefilter: () => Prefilter | undefined;
  readonly announce: (kind: string, message: string) => void;
}

const view = (prefilter: Prefilter): PrefilterView => {
  const { revision, cidrs } = prefilter.list();
  const spec = { revision, deny: cidrs.map(({ text }) => text) };
  return { spec, status: { realized: spec } };
};

const cidrsOf = ({ deny }: PrefilterChange): Cidr[] =>
  deny.map((text, at) => {
    const cidr = parseCidr(text);
    if (!cidr) throw new AgentError('invalid', `change prefilter: deny[${at}] is ${JSON.stringify(text)}, which is no address and no prefix such as 10.0.0.0/8`);
    return cidr;
  });

/** Throws AgentError where nothing was changed. */
const check = (outcome: PrefilterOutcome, change: PrefilterChange): void => {
  switch (outcome.kind) {
    case 'applied':
      return;
    case 'stale-revision':
      throw new AgentError('conflict', `change prefilter: the revision is ${outcome.revision}, not ${change.revision}: somebody else changed the list. Read it and try again.`);
    case 'full':
      throw new AgentError('exhausted', `change prefilter: the list of ${outcome.list} holds ${outcome.capacity}, and ${outcome.needed} are needed; nothing was changed`);
    case 'not-listed':
      throw new AgentError('not-found', `change prefilter: ${outcome.cidrs.map(({ text }) => text).join(', ')} ${outcome.cidrs.length === 1 ? 'is' : 'are'} not on the list; nothing was changed`);
  }
};

/** Serves `/prefilter`. */
export const createPrefilterHandlers = ({ prefilter, announce }: PrefilterState): PrefilterHandlers => {
  const opened = (): Prefilter => {
    const found = prefilter();
    if (!found) throw new AgentError('not-ready', 'prefilter: it is switched off; start the agent with --enable-xdp-prefilter');
    return found;
  };
  const change = async (body: PrefilterChange, apply: (list: Prefilter, cidrs: readonly Cidr[]) => Promise<PrefilterOutcome>): Promise<PrefilterView> => {
    const list = opened();
    check(await apply(list, cidrsOf(body)), body);
    announce('prefilter-updated', `prefilter revision ${list.revision}`);
    return view(list);
  };
  const condition = ({ revision }: PrefilterChange) => (revision === undefined ? {} : { revision });
  return {
    getPrefilter: () => view(opened()),
    patchPrefilter: ({ body }) => change(body, (list, cidrs) => list.add(cidrs, condition(body))),
    deletePrefilter: ({ body }) => change(body, (list, cidrs) => list.remove(cidrs, condition(body))),
  };
};
