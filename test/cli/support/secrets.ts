import { expect } from "vitest";

/** What the tests plant where the program finds it, and must never find in what it prints, keeps or sends elsewhere. */
export const SECRETS = {
  passphrase: "planted pass/phrase+7f3a=",
  password: "planted pass/word+91bc=",
  bearer: "planted-bearer-token/55aa+0f==",
  identity: "planted-identity-token/c0de+33==",
} as const;

export const USERNAME = "robot";

/** A secret as it is, and as it looks in the encodings that it could leak by. */
export function formsOf(secret: string): readonly string[] {
  const bytes = Buffer.from(secret);
  return [
    secret,
    encodeURIComponent(secret),
    new URLSearchParams({ s: secret }).toString().slice(2),
    bytes.toString("hex"),
    ...[0, 1, 2].flatMap((shift) => base64Inside(bytes, shift)),
  ];
}

/** The part of its base64, plain and for URLs, that does not depend on what stands before and behind it. */
function base64Inside(bytes: Buffer, shift: number): readonly string[] {
  const whole = Buffer.concat([Buffer.alloc(shift), bytes])
    .toString("base64")
    .replace(/=+$/, "");
  const inside = whole.slice(Math.ceil((shift * 4) / 3), Math.floor(((shift + bytes.length) * 8) / 6) - 1);
  return [inside, inside.replaceAll("+", "-").replaceAll("/", "_")];
}

/** The lines of a PEM body: each of them is enough to know the key by. */
export function pemSecrets(pem: string): readonly string[] {
  return pem.split("\n").filter((line) => line.length > 20 && !line.startsWith("-----"));
}

/** Holds that nothing of any secret stands in `text`, in any encoding. */
export function expectNoSecret(text: string, more: readonly string[] = []): void {
  const planted = [...Object.values(SECRETS), `${USERNAME}:${SECRETS.password}`, ...more];
  const found = planted.flatMap(formsOf).filter((form) => text.includes(form));
  expect(found, `in ${JSON.stringify(text.slice(0, 2000))}`).toEqual([]);
}
