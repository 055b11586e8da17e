import { errorMessage, parseIp } from '@cilium-ts/core';
import type { Logger } from '@cilium-ts/core';
import type { HealthProbe, LoadBalancer, Protocol } from '@cilium-ts/loadbalancer';
import type { Settings } from '../../config/options.ts';
import type { HealthCheckServer } from './health-check-server.ts';
import type { Prober } from './prober.ts';
import type { ProbeTarget } from './probe.ts';

/** Health in both directions: what this node tells of itself, and what it finds out about backends. */
export interface Health {
  /** Begins; `changed` is called when the model has been told of a backend's health. */
  start(changed: () => void): void;
  /** Takes the services as they are now into account, soon. */
  update(): void;
  problems(): readonly string[];
  close(): Promise<void>;
}

/** What it works with. */
export interface HealthDeps {
  readonly balancer: Pick<LoadBalancer, 'healthChecks' | 'services' | 'setHealth'>;
  /** Services whose backends are to be probed, by key. */
  readonly probed: () => Iterable<readonly [string, HealthProbe]>;
  readonly logger: Logger;
  readonly values: Pick<Settings, 'enable-health-check-nodeport' | 'bpf-lb-health-interval' | 'bpf-lb-health-timeout'>;
}

/** Backends to ask, by address, port and protocol: one that serves several services is asked once. */
const targetsOf = ({ balancer, probed }: Pick<HealthDeps, 'balancer' | 'probed'>): Map<string, ProbeTarget> => {
  const targets = new Map<string, ProbeTarget>();
  for (const [key, probe] of probed()) {
    for (const { spec } of balancer.services(key)) {
      for (const { ip, port, protocol, state } of spec['backend-addresses']) {
        if (state.startsWith('terminating')) continue;
        targets.set(`${ip} ${port} ${protocol}`, { address: ip, port, probe });
      }
    }
  }
  return targets;
};

/** Nothing is opened and nobody asked before there is a service that wants it. */
export const createHealth = (deps: HealthDeps): Health => {
  const { balancer, logger, values } = deps;
  let server: HealthCheckServer | undefined;
  let prober: Prober | undefined;
  let changed: () => void = () => undefined;
  let due = false;
  let closed = false;
  let last: Promise<void> = Promise.resolve();

  const serve = async (): Promise<void> => {
    const checks = values['enable-health-check-nodeport'] ? balancer.healthChecks() : [];
    if (checks.length > 0) server ??= (await import('./health-check-server.ts')).createHealthCheckServer({ logger });
    await server?.update(checks);
  };
  const ask = async (): Promise<void> => {
    const targets = targetsOf(deps);
    if (targets.size > 0 && !prober) {
      const [{ createProber }, { probeOnce }] = await Promise.all([import('./prober.ts'), import('./probe.ts')]);
      prober = createProber(
        {
          probe: probeOnce, logger,
          changed(backend, health) {
            const [ip = '', port, protocol] = backend.split(' ');
            balancer.setHealth({ address: parseIp(ip)!, port: Number(port), protocol: protocol as Protocol }, health);
            changed();
          },
        },
        { intervalMs: values['bpf-lb-health-interval'] * 1000, timeoutMs: values['bpf-lb-health-timeout'] * 1000 },
      );
    }
    prober?.update(targets);
  };
  const turn = async (): Promise<void> => {
    due = false;
    if (closed) return;
    try {
      await serve();
      await ask();
    } catch (error) {
      logger.error({ error: errorMessage(error) }, 'health of services could not be brought up to date');
    }
  };

  return {
    start: (listener) => { changed = listener; },
    update() {
      if (due || closed) return;
      due = true;
      last = last.then(() => new Promise<void>((resolve) => { setImmediate(resolve); })).then(turn);
    },
    problems: () => server?.problems() ?? [],
    async close() {
      closed = true;
      await last;
      prober?.close();
      await server?.close();
    },
  };
};
