import { CountersignError, isCountersignError } from "../model/errors.ts";

/** Names the source in what is thrown about it; the caller's own material is wrong use. */
export async function about<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isCountersignError(error)) throw error;
    throw new CountersignError(error.code, `${what}: ${error.message}`, {
      hint: error.hint,
      cause: error.cause,
      exit: 2,
    });
  }
}
