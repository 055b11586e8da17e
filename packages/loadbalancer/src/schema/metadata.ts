import { z } from 'zod';

const optionalText = z.string().optional();

const nameText = z
  .string()
  .max(253)
  .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, { error: 'lower-case letters, digits, "-" and ".", beginning and ending with a letter or digit' });

/** `metadata` of an object, including what the API server adds to a live one. `null` timestamps are common in exports. */
export const metadataSchema = z.strictObject({
  name: nameText,
  namespace: nameText.optional(),
  generateName: optionalText,
  labels: z.record(z.string(), z.string()).nullish(),
  annotations: z.record(z.string(), z.string()).nullish(),
  uid: optionalText,
  resourceVersion: optionalText,
  generation: z.number().optional(),
  creationTimestamp: z.string().nullish(),
  deletionTimestamp: z.string().nullish(),
  deletionGracePeriodSeconds: z.number().nullish(),
  ownerReferences: z.array(z.unknown()).nullish(),
  finalizers: z.array(z.string()).nullish(),
  managedFields: z.array(z.unknown()).nullish(),
  selfLink: optionalText,
});
