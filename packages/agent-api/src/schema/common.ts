import { z } from 'zod';

/** Labels in their text form `source:key=value`; `=value` is left out when empty. */
export const Labels = z.array(z.string());

/** One address per family. */
export const AddressPair = z.object({ ipv4: z.string().optional(), ipv6: z.string().optional() });
export type AddressPair = z.infer<typeof AddressPair>;

/** A finding about a policy document: what is wrong, where, and what to do about it. */
export const Issue = z.object({
  severity: z.enum(['error', 'warning']),
  message: z.string(),
  remedy: z.string().optional(),
  file: z.string().optional(),
  line: z.number().int().optional(),
  column: z.number().int().optional(),
  resource: z.string().optional(),
  field: z.string().optional(),
});
export type Issue = z.infer<typeof Issue>;

/** Body of every answer that is not a success. `code` is stable, `message` is for people. */
export const ApiError = z.object({ code: z.string(), message: z.string(), issues: z.array(Issue).optional() });
export type ApiError = z.infer<typeof ApiError>;

/** Health of one part of the agent. */
export const Status = z.object({ state: z.enum(['Ok', 'Warning', 'Failure', 'Disabled']), msg: z.string().optional() });
export type Status = z.infer<typeof Status>;

/** A security identity: its number and the labels it stands for. */
export const IdentityModel = z.object({ id: z.number().int(), labels: Labels, labelsSHA256: z.string().optional() });
export type IdentityModel = z.infer<typeof IdentityModel>;
