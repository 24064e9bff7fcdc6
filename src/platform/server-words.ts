/** Shorter ones would blot out half of every sentence. */
const SHORTEST = 4;

/**
 * A server's words without the secrets it was shown: some quote the request that they refuse. `shown` are values of
 * `Authorization` headers and refresh tokens; each is looked for as it is, decoded, and encoded for URLs.
 */
export function withoutSecrets(text: string, shown: readonly (string | undefined)[]): string {
  const secrets = shown.flatMap((value) => (value === undefined ? [] : partsOf(value)));
  const forms = secrets.flatMap((secret) => [secret, encodeURIComponent(secret)]);
  return [...new Set(forms)]
    .filter((form) => form.length >= SHORTEST)
    .sort((one, other) => other.length - one.length)
    .reduce((rest, form) => rest.replaceAll(form, "***"), text);
}

const QUOTE_LIMIT = 200;

/** One line without control, direction or invisible characters, at most 200 characters: fit to stand in a message of ours. */
export function printable(text: string): string {
  const line = text
    .slice(0, 4 * QUOTE_LIMIT)
    .replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, " ")
    .trim();
  return line.length > QUOTE_LIMIT ? `${line.slice(0, QUOTE_LIMIT)}…` : line;
}

/** `Basic` credentials, and their password alone; the token behind `Bearer`; else the value itself. */
function partsOf(value: string): readonly string[] {
  const [, scheme = "", token = value] = /^(Basic|Bearer) (.+)$/s.exec(value) ?? [];
  const bare = token.replace(/=+$/, "");
  if (scheme !== "Basic") return [token, bare];
  const decoded = Buffer.from(token, "base64").toString("utf8");
  return [token, bare, decoded, decoded.slice(decoded.indexOf(":") + 1)];
}
