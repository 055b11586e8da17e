import { z } from 'zod';

const requirementSchema = z.strictObject({
  key: z.string(),
  operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
  values: z.array(z.string()).optional(),
});

/** Kubernetes' LabelSelector; keys may carry a source (`k8s:app`) in Cilium's resources. */
export const labelSelectorSchema = z.strictObject({
  matchLabels: z.record(z.string(), z.string()).optional(),
  matchExpressions: z.array(requirementSchema).optional(),
});
export type LabelSelectorSpec = z.infer<typeof labelSelectorSchema>;
