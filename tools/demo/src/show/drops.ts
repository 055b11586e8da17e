import { describePort, type Observation, type Verdict } from '../connection.ts';
import { line, paint } from './print.ts';
import { decisiveRule } from '../expectation.ts';

/** For each drop the kernel's reason and the policy's rule; connections with the same of both stand together. */
export function printDrops(verdicts: readonly Verdict[]): void {
  const groups = new Map<string, Verdict[]>();
  for (const verdict of verdicts) {
    if (verdict.observation.kind !== 'dropped' || !verdict.agrees) continue;
    const { drop } = verdict.observation;
    const { from, to } = verdict.connection;
    const reason = `${drop['reason-name']} (${drop.reason}), ${drop.direction} of ${drop.direction === 'egress' ? from.name : to.name}: ${decisiveRule(verdict.explanation)}`;
    groups.set(reason, [...(groups.get(reason) ?? []), verdict]);
  }
  for (const [reason, group] of groups) {
    line(paint.drop(reason));
    for (const text of pairs(group)) line(`   ${text}`);
  }
}

/** `frontend → db: TCP 5432, ping`, one line for each pair. Both families are meant unless one is named. */
function pairs(verdicts: readonly Verdict[]): string[] {
  const byPair = new Map<string, Map<string, Set<number>>>();
  for (const { connection } of verdicts) {
    const pair = `${connection.from.name} → ${connection.to.name}`;
    const ports = byPair.get(pair) ?? new Map<string, Set<number>>();
    const port = describePort(connection);
    ports.set(port, (ports.get(port) ?? new Set()).add(connection.family));
    byPair.set(pair, ports);
  }
  return [...byPair].map(([pair, ports]) => {
    const list = [...ports].map(([port, families]) => (families.size === 2 ? port : `${port} (IPv${[...families].join()} only)`));
    return `${pair}: ${list.join(', ')}`;
  });
}

/** What is not as the policies say, in full. */
export function printDisagreements(verdicts: readonly Verdict[]): void {
  for (const { connection, explanation, observation } of verdicts.filter(({ agrees }) => !agrees)) {
    const { from, to, family } = connection;
    line(paint.bad(`! ${from.name} → ${to.name}, ${describePort(connection)}, IPv${family}: the policies say ${explanation.verdict}, but ${describe(observation)}`));
    for (const text of explanation.text.split('\n')) line(`    ${paint.dim(text)}`);
  }
}

function describe(observation: Observation): string {
  switch (observation.kind) {
    case 'open': return 'an answer came';
    case 'dropped': return `the kernel dropped it: ${observation.drop['reason-name']} (${observation.drop.direction})`;
    case 'failed': return `there was neither an answer nor a report of a drop (${observation.outcome})`;
  }
}
