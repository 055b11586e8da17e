import type { Identity, NumericIdentity } from '@cilium-ts/identity';
import { createPolicyTracker } from '@cilium-ts/policy-model';
import type { CompiledPolicy, PolicyOptions, PolicyRepository, PolicyTracker } from '@cilium-ts/policy-model';

/** What policies are compiled for. */
export interface Followed {
  readonly options: PolicyOptions;
  /** Every identity that a peer may have. */
  readonly peers: readonly Identity[];
  /** The identities of the endpoints whose policies are wanted. */
  readonly subjects: Iterable<Identity>;
}

/** Keeps the policies of the node's endpoints up to date from commit to commit: only what changed is compiled. */
export interface PolicyFollower {
  /** Catches up, and returns the policy of each subject: the same object until it changes. It throws PolicyModelError. */
  follow(followed: Followed): (id: NumericIdentity) => CompiledPolicy;
}

/** Follows a repository; nothing is compiled before the first question. */
export const createPolicyFollower = (repository: PolicyRepository): PolicyFollower => {
  let tracked: { readonly tracker: PolicyTracker; readonly options: string } | undefined;
  let peers: readonly Identity[] = [];
  const subjects = new Map<NumericIdentity, Identity>();

  const trackerFor = (options: PolicyOptions): PolicyTracker => {
    const text = JSON.stringify(options);
    if (tracked?.options === text) return tracked.tracker;
    tracked?.tracker.close();
    peers = [];
    subjects.clear();
    tracked = { tracker: createPolicyTracker({ repository, options }), options: text };
    return tracked.tracker;
  };

  /** Lists that follow one another are mostly the same. */
  const setPeers = (tracker: PolicyTracker, wanted: readonly Identity[]): void => {
    if (wanted.length === peers.length && wanted.every((peer, i) => peer === peers[i])) return;
    const last = new Map(wanted.map((peer) => [peer.id, peer] as const));
    for (const { id } of peers) if (!last.has(id)) tracker.removeIdentity(id);
    for (const peer of last.values()) tracker.addIdentity(peer);
    peers = wanted;
  };

  const setSubjects = (tracker: PolicyTracker, wanted: Iterable<Identity>): void => {
    const gone = new Set(subjects.keys());
    for (const subject of wanted) {
      gone.delete(subject.id);
      const known = subjects.get(subject.id);
      if (known === subject || known?.labels.text === subject.labels.text) continue;
      subjects.set(subject.id, subject);
      tracker.addSubject(subject);
    }
    for (const id of gone) {
      subjects.delete(id);
      tracker.removeSubject(id);
    }
  };

  return {
    follow(followed) {
      const tracker = trackerFor(followed.options);
      setPeers(tracker, followed.peers);
      setSubjects(tracker, followed.subjects);
      return (id) => tracker.policy(id)!;
    },
  };
};
