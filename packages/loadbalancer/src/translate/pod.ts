import type { Field } from '@cilium-ts/manifest';
import { parseIp } from '@cilium-ts/core';
import type { Pod, PodPort } from '../model/pod.ts';
import type { PodObject } from '../schema/pod.ts';
import { readAddress } from './address.ts';
import type { Keyed, TranslateContext } from './context.ts';
import { createdAt } from './context.ts';

/** The pod of a Kubernetes Pod. A pod in the node's own network has the node's ports without any help. */
export function translatePod({ metadata, spec, status }: PodObject, { header, root }: TranslateContext): Keyed<Pod> {
  const texts = (status?.podIPs ?? []).length > 0 ? status!.podIPs!.map(({ ip }) => ip) : status?.podIP === undefined || status.podIP === '' ? [] : [status.podIP];
  return {
    key: header.key ?? '',
    namespace: header.namespace,
    name: metadata.name,
    labels: metadata.labels ?? {},
    addresses: texts.flatMap((text) => readAddress(text, root.child('status')) ?? []),
    ...(spec.nodeName === undefined || spec.nodeName === '' ? {} : { nodeName: spec.nodeName }),
    state: stateOf({ metadata, status }),
    ports: spec.hostNetwork === true ? [] : readPorts(spec, root.child('spec')),
    ...createdAt(metadata.creationTimestamp),
    at: root.at,
  };
}

/** A pod without conditions stands in a file: it is there. */
function stateOf({ metadata, status }: Pick<PodObject, 'metadata' | 'status'>): Pod['state'] {
  if (status?.phase === 'Succeeded' || status?.phase === 'Failed') return 'maintenance';
  if (typeof metadata.deletionTimestamp === 'string') return 'terminating';
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  return ready === undefined || ready.status === 'True' ? 'active' : 'maintenance';
}

function readPorts({ containers }: PodObject['spec'], field: Field): readonly PodPort[] {
  return (containers ?? []).flatMap(({ ports }, container) =>
    (ports ?? []).map(({ name = '', protocol = 'TCP', containerPort, hostPort = 0, hostIP = '' }, index): PodPort => {
      const at = field.child('containers', container, 'ports', index, 'hostIP');
      const everywhere = hostIP === '' || parseIp(hostIP)?.bytes.every((byte) => byte === 0) === true;
      const hostIp = everywhere ? undefined : readAddress(hostIP, at, { loopback: true });
      return { name, protocol, port: containerPort, ...(hostPort === 0 ? {} : { hostPort }), ...(hostIp === undefined ? {} : { hostIp }) };
    }),
  );
}
