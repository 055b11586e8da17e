import type { TypeOf } from '@cilium-ts/manifest';
import { anything, flag, intOrText, labelSelectorShape, listOf, metadataShape, object, oneOf, optional, text } from '@cilium-ts/manifest';

const portShape = object({
  /** A string in Cilium's resource; numbers are what people write. */
  port: intOrText,
  protocol: oneOf('TCP', 'UDP'),
  name: optional(text()),
});
export type RedirectPortSpec = TypeOf<typeof portShape>;

/** CiliumLocalRedirectPolicy of `cilium.io/v2`. */
export const localRedirectShape = object({
  apiVersion: oneOf('cilium.io/v2'),
  kind: oneOf('CiliumLocalRedirectPolicy'),
  metadata: metadataShape,
  spec: object({
    description: optional(text()),
    redirectFrontend: object({
      addressMatcher: optional(object({ ip: text(), toPorts: listOf(portShape, 1) })),
      serviceMatcher: optional(object({ serviceName: text(), namespace: text(), toPorts: optional(listOf(portShape)) })),
    }),
    redirectBackend: object({ localEndpointSelector: labelSelectorShape, toPorts: listOf(portShape, 1) }),
    skipRedirectFromBackend: optional(flag),
  }),
  status: optional(anything),
});
export type LocalRedirectObject = TypeOf<typeof localRedirectShape>;
