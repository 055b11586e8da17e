import type { TypeOf } from '@cilium-ts/manifest';
import { anything, listOf, metadataShape, object, oneOf, optional, text } from '@cilium-ts/manifest';
import { ciliumRuleShape } from './cilium-rule.ts';

/** CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy of `cilium.io/v2`. */
export const ciliumPolicyShape = object({
  apiVersion: oneOf('cilium.io/v2'),
  kind: oneOf('CiliumNetworkPolicy', 'CiliumClusterwideNetworkPolicy'),
  metadata: metadataShape,
  spec: optional(ciliumRuleShape),
  specs: optional(listOf(ciliumRuleShape)),
  status: optional(anything),
});
export type CiliumPolicySpec = TypeOf<typeof ciliumPolicyShape>;

/** CiliumCIDRGroup: prefixes under a name. */
export const cidrGroupShape = object({
  apiVersion: oneOf('cilium.io/v2', 'cilium.io/v2alpha1'),
  kind: oneOf('CiliumCIDRGroup'),
  metadata: metadataShape,
  spec: object({ externalCIDRs: listOf(text()) }),
});
export type CidrGroupSpec = TypeOf<typeof cidrGroupShape>;
