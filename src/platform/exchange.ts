/** One HTTP exchange. No redirect is followed and nothing is retried here: who may be asked again, or elsewhere, is decided above. */
export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: URL;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | StreamedBody | undefined;
  /** Milliseconds from the start of the request to the last byte of the body. */
  readonly timeout?: number | undefined;
  /**
   * Bytes that are about to move. Then `timeout` is for each wait without a byte, and the whole may take as much longer as so
   * many bytes take at `LIMITS.slowest`.
   */
  readonly bulk?: number | undefined;
}

/** A body that is never whole in memory. */
export interface StreamedBody {
  /** Bytes that `open` gives; it throws rather than give others. */
  readonly size: number;
  /** From the first byte, each time: a request may have to be sent again. */
  open(): AsyncIterable<Uint8Array>;
}

export function isStreamed(body: HttpRequest["body"]): body is StreamedBody {
  return body !== undefined && "open" in body;
}

export interface HttpResponse {
  readonly status: number;
  /** The header, several of one name joined by a comma. */
  header(name: string): string | undefined;
  /** The body, read at most once. Stopping early closes the connection. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Lets go of the body unread. */
  discard(): void;
}

/** @throws E_NETWORK, E_TIMEOUT or E_TLS. */
export type Exchange = (request: HttpRequest) => Promise<HttpResponse>;
