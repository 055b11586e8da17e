export { cidrLabelKey, parseCidrLabelKey } from './cidr-label.ts';
export { cidrLabels, cidrSelectorLabel } from './cidr-labels.ts';
export type { IdentityErrorCode } from './error.ts';
export { IdentityError } from './error.ts';
export type { IdentityAllocator, IdentityAllocatorOptions } from './identity-allocator.ts';
export { createIdentityAllocator } from './identity-allocator.ts';
export type { IdentityStore } from './identity-store.ts';
export { IdentityRecords, createMemoryStore } from './identity-store.ts';
export type { IpCache, IpCacheEntry, IpCacheOptions, IpCacheUpsert } from './ipcache.ts';
export { createIpCache } from './ipcache.ts';
export type { IpCacheSource } from './ipcache-source.ts';
export { IPCACHE_SOURCES, compareSources, mayOverwrite } from './ipcache-source.ts';
export type { LabelFilter } from './label-filter.ts';
export { LabelPrefixFile, createLabelFilter } from './label-filter.ts';
export type { Label, LabelSource } from './label.ts';
export type { WorkloadPlace } from './workload-labels.ts';
export { workloadLabels } from './workload-labels.ts';
export { displayLabel, formatLabel, labelPrefix, makeLabel, parseLabel } from './label.ts';
export type { LabelSet } from './label-set.ts';
export { equalLabelSets, labelSet } from './label-set.ts';
export type { Identity, IdentityRange, IdentityScope, NumericIdentity } from './numeric.ts';
export {
  FIXED_IDENTITIES,
  identityRange,
  identityScope,
  numericIdentity,
  parseFixedIdentityMapping,
  parseNumericIdentity,
  scopeForLabels,
} from './numeric.ts';
export type { PrefixTrie } from './prefix-trie.ts';
export { createPrefixTrie } from './prefix-trie.ts';
export type { Families, ReservedIdentities } from './reserved.ts';
export {
  FIXED_IDENTITY_LABEL,
  RESERVED,
  createReservedIdentities,
  reservedIdentities,
  worldIdentity,
  worldLabel,
} from './reserved.ts';
export type { LabelSelector, Operator, Requirement, Selector } from './selector.ts';
export { parseSelectorKey, selector, selectorFromLabelSelector, selectorMatches } from './selector.ts';
