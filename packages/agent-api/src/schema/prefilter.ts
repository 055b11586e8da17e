import { z } from 'zod';

/** What the prefilter drops before the stack: prefixes of either family, an address being a prefix of full length. */
export const PrefilterSpec = z.object({ revision: z.number().int().min(0), deny: z.array(z.string()) });
export type PrefilterSpec = z.infer<typeof PrefilterSpec>;

/** Answer of the operations on `/prefilter`. */
export const Prefilter = z.object({ spec: PrefilterSpec, status: z.object({ realized: PrefilterSpec }) });
export type Prefilter = z.infer<typeof Prefilter>;

/** Body of `PATCH` (add) and `DELETE` (remove). With a `revision` other than the present one nothing is changed: somebody else was faster. */
export const PrefilterChange = z.strictObject({ revision: z.number().int().min(1).optional(), deny: z.array(z.string()).min(1) });
export type PrefilterChange = z.infer<typeof PrefilterChange>;
