import { NAMESPACE_KEY } from '../../model/special-labels.ts';
import type { LintContext } from './context.ts';
import { says, wordsOf } from './context.ts';
import type { PreparedRule } from './prepared.ts';
import { isWholeCluster, meansEverybody, meansSomebody, subjectCovers } from './prepared.ts';

const OPEN_WORDS = ['all', 'any', 'anyone', 'anybody', 'anywhere', 'everyone', 'everybody', 'everything', 'every', 'open', 'public', 'world', 'internet', 'external', 'outside', 'unrestricted', 'permissive'];
const CLUSTER_WORDS = [...OPEN_WORDS, 'cluster', 'namespaces', 'clusterwide', 'colleagues', 'internal'];
const CLOSED_WORDS = ['deny', 'default', 'baseline', 'lockdown', 'lock', 'isolate', 'isolation', 'zero', 'closed', 'close', 'block', 'restrict', 'floor', 'all', 'every', 'cluster', 'clusterwide', 'host'];
const DENY_WORDS = ['deny', 'block', 'drop', 'forbid', 'reject', 'refuse', 'prohibit', 'disallow'];
const ALLOW_WORDS = ['allow', 'permit', 'accept', 'enable', 'open'];

/** Rules that open, or close, more than their names say. */
export function checkBroad(context: LintContext): void {
  const closing = new Set<string>();
  for (const prepared of context.rules) {
    if (meansSomebody(prepared)) {
      checkOpen(context, prepared);
      checkNames(context, prepared);
    }
    const key = `${prepared.rule.resource} ${prepared.rule.direction}`;
    if (!closing.has(key) && checkClosesCluster(context, prepared)) closing.add(key);
  }
}

/** Whether the policy also denies something of the same endpoints: to allow the rest is how that is written. */
function isRestOfDenial(context: LintContext, prepared: PreparedRule): boolean {
  return context.rules.some(
    (other) => other.rule.resource === prepared.rule.resource && other.rule.direction === prepared.rule.direction && other.rule.action !== 'allow' && meansSomebody(other) && subjectCovers(other, prepared),
  );
}

function checkOpen(context: LintContext, prepared: PreparedRule): void {
  const { rule } = prepared;
  if (rule.action !== 'allow' || (rule.tier === 'normal' && !rule.defaultDeny) || prepared.parts.some(({ proxy }) => proxy !== undefined)) return;
  const words = wordsOf(rule);
  const ingress = rule.direction === 'ingress';
  const allPorts = rule.ports.kind === 'all';
  if (meansEverybody(prepared)) {
    // To leave out the peers and list ports is a common way to let everybody out to some ports.
    if (says(words, ...OPEN_WORDS) || (!allPorts && !ingress) || isRestOfDenial(context, prepared)) return;
    const missing = rule.peers.kind === 'any';
    const cause = missing ? `the rule names no peers` : 'the peers include the entity all or an empty selector';
    const whom = ingress ? 'everybody may come in' : 'everybody may be called';
    context.report({
      code: 'opens-to-everyone',
      severity: allPorts && ingress ? 'warning' : 'info',
      rule,
      message: `${cause}: ${whom}, the world outside of the cluster included, on ${allPorts ? 'every port' : 'these ports'}`,
      remedy: `name the peers in ${ingress ? 'from' : 'to'}…, or say in the policy's name or description that it is meant`,
    });
  } else if (allPorts && prepared.peers.some(({ alternatives }) => alternatives.some(isWholeCluster)) && !says(words, ...CLUSTER_WORDS) && !isRestOfDenial(context, prepared)) {
    const message = `every pod of the cluster, of whatever namespace, ${ingress ? 'may come in' : 'may be called'} on every port`;
    context.report({ code: 'opens-to-cluster', severity: 'info', rule, message, remedy: 'select namespaces or pods by labels, or list ports' });
  }
}

function checkNames(context: LintContext, prepared: PreparedRule): void {
  const { rule } = prepared;
  const words = wordsOf({ ...rule, description: isName(rule.description) ? rule.description : '' });
  const deny = says(words, ...DENY_WORDS);
  const allow = says(words, ...ALLOW_WORDS);
  if (deny && !allow && rule.action === 'allow' && contradictsName(prepared, words) && !isRestOfDenial(context, prepared)) {
    const written = rule.resource.startsWith('Cilium') ? `${rule.direction}Deny` : rule.tier === 'normal' ? 'an empty list of rules' : 'action Deny';
    const message = 'the name says that something is denied, and the rule allows it';
    context.report({ code: 'allows-despite-name', severity: 'warning', rule, message, remedy: `to deny it, use ${written}; else choose another name` });
  }
  if (allow && !deny && rule.action === 'deny' && !context.rules.some((other) => other.rule.resource === rule.resource && other.rule.action !== 'deny')) {
    const message = 'the name says that something is allowed, and the policy does nothing but deny';
    context.report({ code: 'denies-despite-name', severity: 'warning', rule, message, remedy: 'to allow it, use an allow rule; else choose another name' });
  }
}

/** A description of one word with dashes is the name of the rule. */
const isName = (description: string | undefined): description is string => description !== undefined && !/\s/.test(description.trim());

/**
 * Whether what the rule allows is what its name speaks of: everybody on every port, or a peer that the name mentions.
 * A policy that is called after what it keeps out has to allow the rest.
 */
function contradictsName(prepared: PreparedRule, words: ReadonlySet<string>): boolean {
  if (meansEverybody(prepared)) return prepared.rule.ports.kind === 'all';
  // Such as deny-other-namespaces, deny-external: what is not meant is allowed.
  if (says(words, 'other', 'others', 'external', 'except', 'non', 'not', 'but', 'only', 'from', 'to')) return says(words, 'from', 'to') && mentioned(prepared, words, true);
  return mentioned(prepared, words, false);
}

function mentioned({ peers, subject }: PreparedRule, words: ReadonlySet<string>, strict: boolean): boolean {
  const own = new Set(subject.flatMap(({ values }) => values));
  return peers.some(({ peer }) => {
    if (peer?.kind === 'entity') return words.has(peer.entity) && !(strict && peer.entity === 'cluster');
    if (peer?.kind !== 'labels') return false;
    return peer.requirements.some(({ operator, key, values }) => operator === 'In' && key !== NAMESPACE_KEY && values.some((value) => words.has(value.toLowerCase()) && !own.has(value)));
  });
}

function checkClosesCluster(context: LintContext, { rule, subject }: PreparedRule): boolean {
  const { rules } = context;
  const everyPod = subject.length === 0 || isWholeCluster(subject);
  if (!everyPod || !rule.defaultDeny || rule.tier !== 'normal' || rule.peers.kind === 'none' || says(wordsOf(rule), ...CLOSED_WORDS)) return false;
  // A denial beside a permission for everybody closes nothing but what it denies.
  const open = rules.some((other) => other.rule.resource === rule.resource && other.rule.direction === rule.direction && other.rule.action === 'allow' && other.rule.ports.kind === 'all' && meansEverybody(other));
  if (open) return false;
  const message = `the policy selects every endpoint of the cluster, and so closes ${rule.direction} of all of them but for what policies allow`;
  context.report({ code: 'closes-every-endpoint', severity: 'warning', rule, message, remedy: `set enableDefaultDeny.${rule.direction} to false, select fewer endpoints, or say in the name that it is meant` });
  return true;
}
