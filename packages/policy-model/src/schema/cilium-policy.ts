import { z } from 'zod';
import { ciliumRuleSchema } from './cilium-rule.ts';
import { metadataSchema } from './metadata.ts';

/** CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy of `cilium.io/v2`. */
export const ciliumPolicySchema = z.strictObject({
  apiVersion: z.literal('cilium.io/v2'),
  kind: z.enum(['CiliumNetworkPolicy', 'CiliumClusterwideNetworkPolicy']),
  metadata: metadataSchema,
  spec: ciliumRuleSchema.optional(),
  specs: z.array(ciliumRuleSchema).optional(),
  status: z.unknown().optional(),
});
export type CiliumPolicySpec = z.infer<typeof ciliumPolicySchema>;
