/** A request of an application, as far as policies look at it. */
export type L7Request =
  | { readonly http: HttpRequest }
  | { readonly kafka: KafkaRequest }
  | { readonly dns: DnsRequest }
  | { readonly generic: GenericRequest };

/** An HTTP request; gRPC is `POST /package.Service/Method`. */
export interface HttpRequest {
  readonly method: string;
  /** Path with query, as sent. */
  readonly path: string;
  /** The `Host` header, or `:authority`. */
  readonly host?: string;
  /** Names in any case; several values of one header joined by commas. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Values of the secrets that header matches refer to, by `namespace/name` or `name`; one that is missing is not met. */
  readonly secrets?: Readonly<Record<string, string>>;
}

/** A Kafka request. */
export interface KafkaRequest {
  readonly apiKey: number;
  readonly apiVersion?: number;
  readonly clientId?: string;
  /** None for requests that are not about topics. */
  readonly topics?: readonly string[];
}

/** A DNS query. */
export interface DnsRequest {
  readonly name: string;
}

/** A request of another protocol, as its parser reports it. */
export interface GenericRequest {
  /** Name of the parser, as `l7proto` has it. */
  readonly parser: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** The protocols that have rules of their own. */
export type L7Kind = 'http' | 'kafka' | 'dns' | 'generic';

/** Which of them a request is of. */
export function requestKind(request: L7Request): L7Kind {
  return 'http' in request ? 'http' : 'kafka' in request ? 'kafka' : 'dns' in request ? 'dns' : 'generic';
}
