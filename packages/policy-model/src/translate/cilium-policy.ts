import type { FieldPath } from '../model/location.ts';
import type { Rule } from '../model/rule.ts';
import type { ResourceHeader } from '../parse/header.ts';
import type { Reporter } from '../parse/reporter.ts';
import type { CiliumPolicySpec } from '../schema/cilium-policy.ts';
import type { CiliumRuleSpec } from '../schema/cilium-rule.ts';
import { translateCiliumRule } from './cilium-rule.ts';

/** The rules of a CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy: those of `spec`, then those of `specs`. */
export function translateCiliumPolicy(policy: CiliumPolicySpec, header: ResourceHeader, reporter: Reporter): readonly Rule[] {
  if (policy.kind === 'CiliumClusterwideNetworkPolicy' && policy.metadata.namespace !== undefined) {
    reporter.report(['metadata', 'namespace'], {
      code: 'invalid-value',
      message: 'a CiliumClusterwideNetworkPolicy has no namespace',
      remedy: 'remove it, or use a CiliumNetworkPolicy',
      point: 'key',
    });
  }
  const specs: { spec: CiliumRuleSpec; path: FieldPath }[] = (policy.specs ?? []).map((spec, index) => ({ spec, path: ['specs', index] }));
  if (policy.spec !== undefined) specs.unshift({ spec: policy.spec, path: ['spec'] });
  if (specs.length === 0) {
    const message = 'the policy has neither spec nor specs';
    reporter.report([], { code: 'missing-field', message, remedy: 'add a spec' });
  }
  const owner = { resource: header.key ?? '', namespace: header.namespace };
  return specs.flatMap(({ spec, path }) => translateCiliumRule(spec, owner, path, reporter));
}
