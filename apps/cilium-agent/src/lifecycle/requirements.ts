import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { AgentError } from '../error.ts';

/** Capabilities the agent uses, with their bits (linux/capability.h). */
const CAPABILITIES = { CAP_NET_ADMIN: 12, CAP_SYS_ADMIN: 21, CAP_PERFMON: 38, CAP_BPF: 39 } as const;
const OLDEST_KERNEL = [6, 1] as const;

/** Capabilities that are missing from a set in hexadecimal, as /proc/PID/status writes it. */
export const missingCapabilities = (effective: string): string[] => {
  const bits = BigInt(`0x${effective}`);
  return Object.entries(CAPABILITIES).filter(([, bit]) => ((bits >> BigInt(bit)) & 1n) === 0n).map(([name]) => name);
};

/** Whether a kernel release such as `6.1.0-18-amd64` is new enough. */
export const kernelIsSupported = (text: string): boolean => {
  const [major = 0, minor = 0] = text.split('.').map(Number.parseFloat);
  return major > OLDEST_KERNEL[0] || (major === OLDEST_KERNEL[0] && minor >= OLDEST_KERNEL[1]);
};

/** Throws AgentError `permission` or `kernel-feature` where the agent could not work. Single features are probed when the programs are loaded. */
export const checkRequirements = (): void => {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  const missing = missingCapabilities(effective);
  if (missing.length > 0) throw new AgentError('permission', `start cilium-agent: it lacks ${missing.join(', ')}. Run it as root (or give it these capabilities).`);
  if (!kernelIsSupported(release())) throw new AgentError('kernel-feature', `start cilium-agent: the kernel is ${release()}, and ${OLDEST_KERNEL.join('.')} is the oldest supported. Boot a newer one.`);
};
