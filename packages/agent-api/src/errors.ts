import type { Issue } from './schema/common.ts';

/** What went wrong with a call: no agent to talk to, its refusal, or an answer that makes no sense. */
export type AgentApiErrorCode = 'agent-not-running' | 'permission-denied' | 'connection-failed' | 'timeout' | 'request-refused' | 'bad-answer';

/** Error of every call of the client. `status` and `reason` (the agent's own code) are set when the agent refused. */
export class AgentApiError extends Error {
  override readonly name = 'AgentApiError';
  readonly code: AgentApiErrorCode;
  readonly status: number | undefined;
  readonly reason: string | undefined;
  readonly issues: readonly Issue[];

  constructor(code: AgentApiErrorCode, message: string, details: { cause?: unknown; status?: number; reason?: string; issues?: readonly Issue[] } = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.status = details.status;
    this.reason = details.reason;
    this.issues = details.issues ?? [];
  }
}

const codeOf = (error: unknown): string | undefined => {
  if (!(error instanceof Error)) return undefined;
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && code !== 'UND_ERR_SOCKET' ? code : codeOf(error.cause) ?? (typeof code === 'string' ? code : undefined);
};

/** Turns a failed connection into an error that names the socket and says what to do. */
export const connectionError = (socketPath: string, action: string, cause: unknown): AgentApiError => {
  const code = codeOf(cause);
  if (code === 'ENOENT') {
    return new AgentApiError('agent-not-running', `${action}: no agent listens on ${socketPath} (no such socket). Start cilium-agent, or name its socket with --socket-path.`, { cause });
  }
  if (code === 'ECONNREFUSED') {
    return new AgentApiError('agent-not-running', `${action}: the agent of ${socketPath} is not running (the socket was left behind). Start cilium-agent again.`, { cause });
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new AgentApiError('permission-denied', `${action}: no permission to use ${socketPath}. Run as root, or as a member of the socket's group.`, { cause });
  }
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT' || code === 'UND_ERR_CONNECT_TIMEOUT') {
    return new AgentApiError('timeout', `${action}: the agent on ${socketPath} did not answer in time.`, { cause });
  }
  return new AgentApiError('connection-failed', `${action}: the connection to ${socketPath} failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
};
