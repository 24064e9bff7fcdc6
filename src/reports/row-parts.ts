import type { Problem, VerifyReport } from "./report.ts";
import { placeText, signerText } from "./verify-text.ts";
import type { Row, RowReason } from "./view.ts";

/** What the rows of several operations have in common. */

export function worstOf(rows: readonly Row[]): string {
  const outcomes = rows.map(({ outcome }) => outcome);
  return (["refused", "undetermined"] as const).find((worst) => outcomes.includes(worst)) ?? "ok";
}

export function verifiedReasons({ signatures, errors }: VerifyReport["images"][number]): readonly RowReason[] {
  const refusals = signatures.flatMap(({ format, place, reasons }) =>
    reasons.map(({ code, message }) => ({
      code,
      message,
      hint: null,
      place: `${format} in ${placeText(place)}`,
      ofSignature: true,
    })),
  );
  return [...refusals, ...problemReasons(errors)];
}

export function problemReasons(problems: readonly Problem[]): readonly RowReason[] {
  return problems.map(({ code, message, hint, place }) => ({ code, message, hint, place, ofSignature: false }));
}

export function signatureText(
  what: string,
  place: { readonly kind: string; readonly name: string },
  algorithm: string | null,
  signer: Parameters<typeof signerText>[0] | null,
): string {
  const how = algorithm === null ? "" : `, ${algorithm}`;
  const who = signer === null ? "" : `, ${signerText(signer)}`;
  return `${what} in ${placeText(place)}${how}${who}`;
}
