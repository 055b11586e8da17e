import type { BackendState, ServiceRequest, ServiceType } from '@cilium-ts/agent-api';
import { BackendState as BackendStates } from '@cilium-ts/agent-api';
import { type Command, Option } from 'commander';
import { contextOf, withAgent } from '../context.ts';
import { CliError } from '../failure.ts';
import type { Io } from '../io.ts';
import { printValue } from '../output/print.ts';
import { parseSocketAddress, socketAddress } from '../socket-address.ts';

interface UpdateOptions {
  readonly id: string;
  readonly frontend: string;
  readonly backends: string[];
  readonly states: string[];
  readonly backendWeights: string[];
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly k8sNodePort?: boolean;
  readonly k8sExternal?: boolean;
  readonly k8sHostPort?: boolean;
  readonly k8sLoadBalancer?: boolean;
  readonly k8sExtTrafficPolicy: 'Local' | 'Cluster';
  readonly k8sIntTrafficPolicy: 'Local' | 'Cluster';
  readonly localRedirect?: boolean;
  readonly sessionAffinity?: string;
  readonly sourceRanges: string[];
  readonly algorithm?: 'random' | 'maglev';
  readonly forwardingMode?: 'snat' | 'dsr';
}

const list = (value: string, before: string[]): string[] => [...before, ...value.split(',').filter((word) => word !== '')];
const policies = ['Local', 'Cluster'];

/** `cilium service update`, with Cilium's flags: the whole service is said each time. */
export function addServiceUpdate(service: Command, io: Io): void {
  service
    .command('update')
    .description('create a service or replace it; returns when it is in force')
    .requiredOption('--id <number>', 'number of the service')
    .requiredOption('--frontend <address:port>', 'where clients knock; 0.0.0.0 or [::] with --k8s-node-port or --k8s-host-port is every address of the node')
    .option('--backends <address:port>', 'who answers, separated by commas; may be repeated', list, [])
    .option('--states <state>', `state of each backend: ${BackendStates.options.join(', ')}`, list, [])
    .option('--backend-weights <number>', 'weight of each backend (100 if not given; 0 is maintenance)', list, [])
    .addOption(new Option('--protocol <protocol>', 'protocol of the service').choices(['TCP', 'UDP', 'SCTP']).default('TCP'))
    .option('--k8s-node-port', 'a NodePort')
    .option('--k8s-external', 'an external address')
    .option('--k8s-host-port', 'a HostPort')
    .option('--k8s-load-balancer', "a load balancer's address")
    .option('--local-redirect', 'a local redirect')
    .addOption(new Option('--k8s-ext-traffic-policy <policy>', 'externalTrafficPolicy').choices(policies).default('Cluster'))
    .addOption(new Option('--k8s-int-traffic-policy <policy>', 'internalTrafficPolicy').choices(policies).default('Cluster'))
    .option('--session-affinity <seconds>', 'keep a client at its backend for this long')
    .option('--source-ranges <prefix>', 'who may use it, separated by commas; may be repeated', list, [])
    .addOption(new Option('--algorithm <name>', 'how backends are chosen').choices(['random', 'maglev']))
    .addOption(new Option('--forwarding-mode <mode>', 'how packets get to backends on other nodes').choices(['snat', 'dsr']))
    .action(async (options: UpdateOptions, command: Command) => {
      const id = number('--id', options.id, 65_535);
      const asked = request(options);
      const context = contextOf(io, command);
      const made = await withAgent(context, (agent) => agent.putService(id, asked));
      const { ip, port } = made.spec['frontend-address'];
      printValue(io, context.format, made, () => [`service ${made.spec.id}: ${socketAddress(ip, port)}/${options.protocol} with ${made.spec['backend-addresses'].length} backends`]);
      if (made.status.problem !== undefined) {
        io.warn(`cilium: service ${made.spec.id}: ${made.status.problem}`);
        io.exit(1);
      }
    });
}

function request(options: UpdateOptions): ServiceRequest {
  const { ip, port } = parseSocketAddress('--frontend', options.frontend);
  return {
    'frontend-address': { ip, port, protocol: options.protocol },
    'backend-addresses': backends(options),
    flags: {
      type: typeOf(options),
      extTrafficPolicy: options.k8sExtTrafficPolicy,
      intTrafficPolicy: options.k8sIntTrafficPolicy,
      ...(options.sessionAffinity !== undefined && { sessionAffinity: number('--session-affinity', options.sessionAffinity, 0xff_ffff) }),
      ...(options.sourceRanges.length > 0 && { sourceRanges: options.sourceRanges }),
      ...(options.algorithm && { algorithm: options.algorithm }),
      ...(options.forwardingMode && { forwardingMode: options.forwardingMode }),
    },
  };
}

function typeOf({ k8sNodePort, k8sExternal, k8sHostPort, k8sLoadBalancer, localRedirect }: UpdateOptions): ServiceType {
  const types: readonly (readonly [string, ServiceType, boolean | undefined])[] = [
    ['--k8s-node-port', 'NodePort', k8sNodePort], ['--k8s-external', 'ExternalIPs', k8sExternal], ['--k8s-host-port', 'HostPort', k8sHostPort],
    ['--k8s-load-balancer', 'LoadBalancer', k8sLoadBalancer], ['--local-redirect', 'LocalRedirect', localRedirect],
  ];
  const given = types.filter(([, , on]) => on);
  if (given.length > 1) throw new CliError(`service update: ${given.map(([flag]) => flag).join(' and ')} exclude each other`, { exitCode: 2 });
  return given[0]?.[1] ?? 'ClusterIP';
}

function backends({ backends: addresses, states, backendWeights }: UpdateOptions): ServiceRequest['backend-addresses'] {
  for (const [flag, values] of [['--states', states], ['--backend-weights', backendWeights]] as const) {
    if (values.length > 0 && values.length !== addresses.length) throw new CliError(`${flag}: there are ${values.length} for ${addresses.length} backends; give one for each, or none`, { exitCode: 2 });
  }
  return addresses.map((text, at) => {
    const [state, weight] = [states[at], backendWeights[at]];
    return { ...parseSocketAddress('--backends', text), ...(state !== undefined && { state: stateOf(state) }), ...(weight !== undefined && { weight: number('--backend-weights', weight, 65_535) }) };
  });
}

function stateOf(text: string): BackendState {
  const parsed = BackendStates.safeParse(text);
  if (!parsed.success) throw new CliError(`--states: "${text}" is none of ${BackendStates.options.join(', ')}`, { exitCode: 2 });
  return parsed.data;
}

function number(option: string, text: string, most: number): number {
  if (!/^\d+$/.test(text) || Number(text) > most) throw new CliError(`${option}: "${text}" is not a whole number up to ${most}`, { exitCode: 2 });
  return Number(text);
}
