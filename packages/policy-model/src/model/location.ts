export type { FieldPath, SourceLocation } from '@cilium-ts/manifest';
export { formatFieldPath, formatLocation } from '@cilium-ts/manifest';
