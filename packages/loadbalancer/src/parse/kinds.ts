/** The kinds of object that are read. */
export const SERVICE_KINDS = { Service: {}, EndpointSlice: {}, Endpoints: {}, Pod: {}, CiliumLocalRedirectPolicy: {} } as const;

/** A kind of object that is read. */
export type ServiceObjectKind = keyof typeof SERVICE_KINDS;
