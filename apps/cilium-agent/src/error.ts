import { CiliumError } from '@cilium-ts/core';

/**
 * What stops the agent or a request, for programs:
 * - start: `config`, `permission`, `kernel-feature`, `missing-tool`, `locked`, `state`, `foreign-device`, `address-conflict`
 * - requests: `invalid`, `not-found`, `conflict`, `exhausted`, `not-ready`, `policy-invalid`, `not-enforced`, `failed`
 */
export type AgentErrorCode =
  | 'config'
  | 'permission'
  | 'kernel-feature'
  | 'missing-tool'
  | 'locked'
  | 'state'
  | 'foreign-device'
  | 'address-conflict'
  | 'invalid'
  | 'not-found'
  | 'conflict'
  | 'exhausted'
  | 'not-ready'
  | 'policy-invalid'
  | 'not-enforced'
  | 'failed';

/** The one error of the agent. The message starts with the action that failed and ends with what to do, where that is known. */
export class AgentError extends CiliumError<AgentErrorCode> {}
