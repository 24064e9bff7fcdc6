import { z } from "zod";

/** A JSON object with any members. Not `z.record`, which drops one called `__proto__`: what was signed is claimed as it was signed. */
export const anyObject = z.custom<Readonly<Record<string, unknown>>>(
  (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  "not an object",
);

/** The members that are texts: annotations are compared as texts, and cosign writes no others. */
export function textsOf(members: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(members).filter((member): member is [string, string] => typeof member[1] === "string"),
  );
}
