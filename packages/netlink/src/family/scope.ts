import { names } from '../wire/values.ts';

/** RT_SCOPE_* of linux/rtnetlink.h: how far an address or the other end of a route is. */
const SCOPES = { global: 0, site: 200, link: 253, host: 254, nowhere: 255 } as const;
export type Scope = keyof typeof SCOPES;

export const scopes = names(SCOPES);
