import type { BpfService, Service, ServiceExplanation, ServiceFileStatus, ServiceFlow, ServiceRequest, Status } from '@cilium-ts/agent-api';
import type { RecurringStats } from '../compile/recurring.ts';

/** What happened to services since the start, by what it was. */
export interface ServiceEvents {
  readonly add: number;
  readonly update: number;
  readonly delete: number;
}

/** The agent's load balancer: sources, model and what is in the kernel. */
export interface Services {
  list(): Service[];
  /** Throws AgentError `not-found`. */
  get(id: number): Service;
  /** Creates or replaces a service; resolves when it is in force. Throws AgentError `invalid`, `conflict`. */
  put(id: number, request: ServiceRequest): Promise<Service>;
  /** Deletes a service that was put. Throws AgentError `not-found`, or `conflict` if it comes from a file. */
  delete(id: number): Promise<void>;
  files(): ServiceFileStatus[];
  explain(flow: ServiceFlow): ServiceExplanation;
  /** What the kernel's maps hold. */
  bpf(): BpfService[];
  status(): Status;
  readonly events: ServiceEvents;
  readonly stats: RecurringStats;
  /** Brings the kernel up to date: addresses of the node or its endpoints changed. */
  refresh(addresses: Iterable<string>): void;
  close(): Promise<void>;
}
