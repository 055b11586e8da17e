import { anything, listOf, mapOf, nullable, number, object, oneOf, optional, text } from './shape.ts';
import type { TypeOf } from './shape.ts';

/** A name as Kubernetes accepts it for most objects (RFC 1123 subdomain). */
export const nameText = text({
  max: 253,
  pattern: /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/,
  expected: 'lower-case letters, digits, "-" and ".", beginning and ending with a letter or digit',
});

const words = nullable(mapOf(text()));
const line = optional(text());
const time = nullable(text());

/** `metadata` of an object, including what the API server adds to a live one. `null` timestamps are common in exports. */
export const metadataShape = object({
  name: nameText,
  namespace: optional(nameText),
  generateName: line,
  labels: words,
  annotations: words,
  uid: line,
  resourceVersion: line,
  generation: optional(number),
  creationTimestamp: time,
  deletionTimestamp: time,
  deletionGracePeriodSeconds: nullable(number),
  ownerReferences: nullable(listOf(anything)),
  finalizers: nullable(listOf(text())),
  managedFields: nullable(listOf(anything)),
  selfLink: line,
});

/** Kubernetes' LabelSelector; keys may carry a source (`k8s:app`) in Cilium's resources. */
export const labelSelectorShape = object({
  matchLabels: optional(mapOf(text())),
  matchExpressions: optional(
    listOf(object({ key: text(), operator: oneOf('In', 'NotIn', 'Exists', 'DoesNotExist'), values: optional(listOf(text())) })),
  ),
});
export type LabelSelectorSpec = TypeOf<typeof labelSelectorShape>;
