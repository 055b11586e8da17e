import { z } from 'zod';

/** A number or a string, as Kubernetes' IntOrString. */
export const intOrString = z.union([z.int(), z.string()], { error: 'expected an integer or a string' });
