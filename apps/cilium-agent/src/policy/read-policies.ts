import { checkEnforceable, DATAPATH_FEATURES, parsePolicies } from '@cilium-ts/policy-model';
import type { ParsedPolicies } from '@cilium-ts/policy-model';

/** Reads policies that are to be put into force: what the datapath could not enforce is an error, and keeps its resource out. */
export const readPolicies = (text: string, options: { readonly file: string }): ParsedPolicies => {
  const { resources, issues } = parsePolicies(text, options);
  const refused = checkEnforceable(resources, DATAPATH_FEATURES);
  const keys = new Set(refused.map(({ resource }) => resource));
  return { resources: resources.filter(({ key }) => !keys.has(key)), issues: [...issues, ...refused] };
};
