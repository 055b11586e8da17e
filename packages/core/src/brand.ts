declare const brand: unique symbol;

/**
 * A `T` that must not be mixed with another `T` of a different meaning (`Brand<number, 'IfIndex'>`).
 * The brand exists for the type checker only; the cast to it belongs in one codec or parser file.
 */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
