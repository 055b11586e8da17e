import type { Field } from '@cilium-ts/manifest';
import type { Rule } from '../model/rule.ts';
import type { ResourceHeader } from '../parse/kinds.ts';
import type { CiliumPolicySpec } from '../schema/cilium-policy.ts';
import type { CiliumRuleSpec } from '../schema/cilium-rule.ts';
import { translateCiliumRule } from './cilium-rule.ts';

/** The rules of a CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy: those of `spec`, then those of `specs`. */
export function translateCiliumPolicy(policy: CiliumPolicySpec, header: ResourceHeader, root: Field): readonly Rule[] {
  if (policy.kind === 'CiliumClusterwideNetworkPolicy' && policy.metadata.namespace !== undefined) {
    root.child('metadata', 'namespace').report({
      code: 'invalid-value',
      message: 'a CiliumClusterwideNetworkPolicy has no namespace',
      remedy: 'remove it, or use a CiliumNetworkPolicy',
      point: 'key',
    });
  }
  const specs: { spec: CiliumRuleSpec; field: Field }[] = (policy.specs ?? []).map((spec, index) => ({ spec, field: root.child('specs', index) }));
  if (policy.spec !== undefined) specs.unshift({ spec: policy.spec, field: root.child('spec') });
  if (specs.length === 0) {
    const message = 'the policy has neither spec nor specs';
    root.report({ code: 'missing-field', message, remedy: 'add a spec' });
  }
  const owner = { resource: header.key ?? '', namespace: header.namespace };
  return specs.flatMap(({ spec, field }) => translateCiliumRule(spec, owner, field));
}
