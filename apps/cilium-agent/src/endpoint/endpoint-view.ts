import type { Endpoint as EndpointModel, EndpointHealth, EndpointPolicy, LabelConfiguration, PolicyEnabled } from '@cilium-ts/agent-api';
import { auditOption } from './endpoint.ts';
import type { Endpoint } from './endpoint.ts';

/** What a view needs to know beside the endpoint. */
export interface ViewContext {
  /** Revision of the policy repository. */
  readonly revision: number;
  readonly audit: boolean;
}

/** Health as the API reports it. */
export const endpointHealth = (endpoint: Endpoint): EndpointHealth => {
  const connected = endpoint.device === 'up';
  const bpf = !endpoint.installed ? 'Bootstrap' : endpoint.device === 'gone' ? 'Failure' : connected ? 'OK' : 'Disabled';
  const policy = policyHealth(endpoint);
  const overallHealth = bpf === 'Bootstrap' ? 'Bootstrap' : bpf !== 'OK' ? bpf : policy;
  return { overallHealth, bpf, policy, connected };
};

const policyHealth = ({ state, failure, lockdown }: Endpoint): EndpointHealth['policy'] => {
  if (failure) return failure.effect === 'kept-old-policy' ? 'Warning' : 'Failure';
  if (lockdown !== undefined) return 'Failure';
  if (state === 'waiting-for-identity') return 'Bootstrap';
  return state === 'regenerating' || state === 'restoring' || state === 'waiting-to-regenerate' ? 'Pending' : 'OK';
};

const policyEnabled = ({ enforced, record }: Endpoint, audit: boolean): PolicyEnabled => {
  const { ingress, egress } = enforced;
  const which = ingress && egress ? 'both' : ingress ? 'ingress' : egress ? 'egress' : 'none';
  return which !== 'none' && (audit || auditOption(record.options)) ? `audit-${which}` : which;
};

/** Labels and what became of them. */
export const labelConfiguration = ({ labels }: Endpoint): LabelConfiguration => ({
  spec: { user: [...labels.user] },
  status: { realized: { user: [...labels.user] }, 'security-relevant': labels.relevant.toStrings(), derived: [...labels.derived], disabled: [...labels.disabled] },
});

/** An endpoint in the API's form. */
export const endpointView = (endpoint: Endpoint, { revision, audit }: ViewContext): EndpointModel => {
  const { id, record, labels, identity, state, log } = endpoint;
  const { status } = labelConfiguration(endpoint);
  const policy = (at: number): EndpointPolicy => ({ 'policy-revision': at, id: identity.id, 'policy-enabled': policyEnabled(endpoint, audit) });
  const spec = { options: record.options, 'label-configuration': { user: [...labels.user] } };
  return {
    id,
    spec,
    status: {
      // Cilium's name for a state that no longer matches its policy or device.
      state: state === 'ready' && (endpoint.failure !== undefined || endpoint.lockdown !== undefined) ? 'not-ready' : state,
      'external-identifiers': {
        ...(record.containerId !== undefined && { 'container-id': record.containerId }),
        ...(record.name !== undefined && { 'container-name': record.name }),
        ...(record.podName !== undefined && { 'pod-name': record.podName, 'k8s-pod-name': record.podName.slice(record.podName.indexOf('/') + 1) }),
        ...(record.namespace !== undefined && { 'k8s-namespace': record.namespace }),
      },
      identity: { id: identity.id, labels: identity.labels.toStrings() },
      labels: status,
      realized: spec,
      networking: {
        addressing: [{ ...(endpoint.ipv4 && { ipv4: endpoint.ipv4.text }), ...(endpoint.ipv6 && { ipv6: endpoint.ipv6.text }) }],
        'host-mac': record.device.mac,
        mac: record.device.containerMac,
        'interface-name': record.device.name,
        'interface-index': record.device.index,
        'container-interface-name': record.device.containerName,
        'container-netns-path': record.netns.path,
      },
      policy: { spec: policy(revision), realized: policy(endpoint.realizedRevision) },
      log: [...log],
      health: endpointHealth(endpoint),
    },
  };
};
