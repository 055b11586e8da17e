import { z } from 'zod';
import { intOrString } from './field.ts';
import { labelSelectorSchema } from './label-selector.ts';
import { metadataSchema } from './metadata.ts';

const portSchema = z.strictObject({
  /** A string in Cilium's resource; numbers are what people write. */
  port: intOrString,
  protocol: z.enum(['TCP', 'UDP']),
  name: z.string().optional(),
});
export type RedirectPortSpec = z.infer<typeof portSchema>;

/** CiliumLocalRedirectPolicy of `cilium.io/v2`. */
export const localRedirectSchema = z.strictObject({
  apiVersion: z.literal('cilium.io/v2'),
  kind: z.literal('CiliumLocalRedirectPolicy'),
  metadata: metadataSchema,
  spec: z.strictObject({
    description: z.string().optional(),
    redirectFrontend: z.strictObject({
      addressMatcher: z.strictObject({ ip: z.string(), toPorts: z.array(portSchema).min(1) }).optional(),
      serviceMatcher: z.strictObject({ serviceName: z.string(), namespace: z.string(), toPorts: z.array(portSchema).optional() }).optional(),
    }),
    redirectBackend: z.strictObject({ localEndpointSelector: labelSelectorSchema, toPorts: z.array(portSchema).min(1) }),
    skipRedirectFromBackend: z.boolean().optional(),
  }),
  status: z.unknown().optional(),
});
export type LocalRedirectObject = z.infer<typeof localRedirectSchema>;
