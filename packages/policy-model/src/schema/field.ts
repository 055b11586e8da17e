import { z } from 'zod';

/** What {@link unenforceable} attaches to its issues. */
export interface UnenforceableParams {
  readonly unenforceable: true;
  readonly reason: string;
  readonly remedy: string;
}

/** A field that Cilium has and this version cannot enforce. Being there at all is an issue that gives the reason. */
export function unenforceable(reason: string, remedy = 'remove the field, or keep this policy out of the folder') {
  const params: UnenforceableParams = { unenforceable: true, reason, remedy };
  return z
    .unknown()
    .superRefine((_value, context) => context.addIssue({ code: 'custom', message: reason, params: { ...params } }))
    .optional();
}

/** The parameters of an issue that {@link unenforceable} raised, or `undefined`. */
export function unenforceableParams(params: Record<string, unknown> | undefined): UnenforceableParams | undefined {
  return params?.['unenforceable'] === true ? (params as unknown as UnenforceableParams) : undefined;
}

/** A number or a string, as Kubernetes' IntOrString. */
export const intOrString = z.union([z.int(), z.string()], { error: 'expected an integer or a string' });
