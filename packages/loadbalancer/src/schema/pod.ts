import type { TypeOf } from '@cilium-ts/manifest';
import { flag, integer, listOf, metadataShape, nullable, oneOf, openObject, optional, text } from '@cilium-ts/manifest';

const containerPortShape = openObject({
  name: optional(text()),
  protocol: optional(oneOf('TCP', 'UDP', 'SCTP')),
  containerPort: integer(1, 65535),
  hostPort: optional(integer(0, 65535)),
  hostIP: optional(text()),
});

/** Pod of `v1`. A pod says much that is none of the balancer's business: only what it reads is checked. */
export const podShape = openObject({
  apiVersion: oneOf('v1'),
  kind: oneOf('Pod'),
  metadata: metadataShape,
  spec: openObject({
    nodeName: optional(text()),
    hostNetwork: optional(flag),
    containers: nullable(listOf(openObject({ ports: nullable(listOf(containerPortShape)) }))),
  }),
  status: nullable(
    openObject({
      podIP: optional(text()),
      podIPs: nullable(listOf(openObject({ ip: text() }))),
      phase: optional(text()),
      conditions: nullable(listOf(openObject({ type: text(), status: text() }))),
    }),
  ),
});
export type PodObject = TypeOf<typeof podShape>;
