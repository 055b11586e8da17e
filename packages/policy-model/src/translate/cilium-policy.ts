import type { PolicyField } from '../model/issue.ts';
import type { Rule } from '../model/rule.ts';
import type { ResourceHeader } from '../parse/kinds.ts';
import type { CiliumPolicySpec } from '../schema/cilium-policy.ts';
import type { CiliumRuleSpec } from '../schema/cilium-rule.ts';
import { translateCiliumRule } from './cilium-rule.ts';
import { missing } from './report.ts';

/** The rules of a CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy: those of `spec`, then those of `specs`. */
export function translateCiliumPolicy(policy: CiliumPolicySpec, header: ResourceHeader, root: PolicyField): readonly Rule[] {
  const specs: { spec: CiliumRuleSpec; field: PolicyField }[] = (policy.specs ?? []).map((spec, index) => ({ spec, field: root.child('specs', index) }));
  if (policy.spec !== undefined) specs.unshift({ spec: policy.spec, field: root.child('spec') });
  if (specs.length === 0) missing(root, 'the policy has neither spec nor specs', 'add a spec');
  const owner = { resource: header.key ?? '', namespace: header.namespace };
  return specs.flatMap(({ spec, field }) => translateCiliumRule(spec, owner, field));
}
