/** What is tried: a TCP connection with an exchange of words, a UDP question and answer, an echo request and reply. */
export type ProbeKind = 'TCP' | 'UDP' | 'ICMP';

/** One attempt, as a worker carries it out. */
export interface ProbeOrder {
  readonly id: number;
  readonly kind: ProbeKind;
  readonly address: string;
  /** TCP and UDP. */
  readonly port: number;
  /** The client's own port: it tells this attempt from all others in drop events. */
  readonly localPort: number;
}

/** Which ports a worker serves. */
export interface ServeOrder {
  readonly tcp: readonly number[];
  readonly udp: readonly number[];
}

/** How an attempt ended: an answer came, the kernel reported an error, or it was called off. */
export interface ProbeOutcome {
  readonly id: number;
  readonly outcome: 'answered' | 'failed' | 'cancelled';
  /** The error of the system call, such as ECONNREFUSED. */
  readonly error?: string;
}

/** From the demo to a worker. */
export type ToWorker =
  | { readonly type: 'serve'; readonly serve: ServeOrder }
  | { readonly type: 'probe'; readonly probe: ProbeOrder }
  | { readonly type: 'cancel'; readonly id: number }
  | { readonly type: 'talk'; readonly talk: Omit<ProbeOrder, 'kind'> & { readonly intervalMs: number } }
  | { readonly type: 'stay' };

/** From a worker to the demo. `tick`: an answer on the connection that `talk` keeps up. */
export type FromWorker =
  | { readonly type: 'serving' }
  | { readonly type: 'outcome'; readonly outcome: ProbeOutcome }
  | { readonly type: 'tick'; readonly id: number; readonly count: number; readonly atMs: number }
  | { readonly type: 'error'; readonly message: string };
