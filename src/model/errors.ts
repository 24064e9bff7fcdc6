import { ERROR_CODES, type ErrorCode, type ExitCode } from "./error-codes.ts";

export interface ErrorDetails {
  /** What mends it, as an order to the reader: "write …", "add …". */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
  /** The exit status, where the situation and not the code decides it (a bad certificate of the caller's own is wrong use). */
  readonly exit?: Exclude<ExitCode, 0> | undefined;
  /** Whether trying again can help, where the code alone does not tell. */
  readonly retry?: boolean | undefined;
}

/**
 * The one error class. `message` is a sentence that names the offending value and holds no secret; `hint` is the mend.
 */
export class CountersignError extends Error {
  override readonly name = "CountersignError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly exit: Exclude<ExitCode, 0>;
  readonly retry: boolean;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint;
    this.exit = details.exit ?? ERROR_CODES[code].exit;
    this.retry = details.retry ?? ERROR_CODES[code].retry;
  }
}

export function isCountersignError(error: unknown): error is CountersignError {
  return error instanceof CountersignError;
}

/** Any thrown value as a CountersignError: what is not one of ours already is a bug of ours. */
export function asCountersignError(error: unknown): CountersignError {
  if (isCountersignError(error)) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new CountersignError("E_BUG", `unexpected: ${message}`, {
    cause: error,
    hint: "this is a bug in countersign: report it with the command and this message",
  });
}

/** Runs `work`; what it refuses about the caller's own material ends in exit status 2. */
export function asWrongUse<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!isCountersignError(error)) throw error;
    throw new CountersignError(error.code, error.message, {
      hint: error.hint,
      cause: error.cause,
      exit: 2,
      retry: false,
    });
  }
}
