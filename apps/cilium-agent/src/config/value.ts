import { z } from 'zod';
import { parseDuration } from './duration.ts';

/** Bytes in a mebibyte. */
export const MIB = 1024 * 1024;

/** `true` or `false`. */
export const bool = z.enum(['true', 'false']).transform((text) => text === 'true');

/** A whole number in a range, bounds included. */
export const whole = (low: number, high: number) =>
  z
    .string()
    .regex(/^\d{1,10}$/, 'a whole number')
    .transform(Number)
    .refine((value) => value >= low && value <= high, `a number from ${low} to ${high}`);

/** Seconds, from `60s` or `2h13m20s`. */
export const duration = z.string().transform((text, context) => {
  const seconds = parseDuration(text);
  if (seconds !== undefined) return seconds;
  context.addIssue({ code: 'custom', message: 'a duration such as 60s or 2h13m20s' });
  return z.NEVER;
});

/** A path. */
export const folder = z.string().refine((text) => text.startsWith('/'), 'an absolute path');

/** Words separated by commas or blanks. */
export const words = z.string().transform((text) => text.split(/[\s,]+/).filter((word) => word !== ''));
