import { writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { type SimpleSigning, startSimpleSigning } from "../cli/support/simple-signing.ts";
import { describeWithPeer } from "./support/peers.ts";
import { skopeoAllows } from "./support/skopeo-policy.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const DAY = 86_400_000;
const names = ["signer", "revoked", "expired", "renewed", "empty", "garbage"] as const;
type Name = (typeof names)[number];

let world: SimpleSigning;
let image: string;
/** Binary; "revoked", "expired" and "renewed" are later copies of the signer's key. */
let blocks: Readonly<Record<Name, Uint8Array>>;

beforeAll(async () => {
  world = await startSimpleSigning();
  const { generateKey, reformatKey, revokeKey } = await import("openpgp");
  const userIDs = [{ name: "Signer", email: "signer@example.com" }];
  const from = (days: number) => new Date(Date.now() - days * DAY);
  const { privateKey } = await generateKey({ type: "rsa", userIDs, subkeys: [], date: from(9), format: "object" });
  const revoked = await revokeKey({ key: privateKey, format: "object" });
  const until = (keyExpirationTime: number, date: Date) =>
    reformatKey({ privateKey, userIDs, keyExpirationTime, date, format: "object" });
  const [expired, renewed] = [await until((2 * DAY) / 1000, from(8)), await until((90 * DAY) / 1000, from(7))];
  blocks = {
    signer: privateKey.toPublic().write(),
    revoked: revoked.publicKey.write(),
    expired: expired.publicKey.write(),
    renewed: renewed.publicKey.write(),
    empty: new Uint8Array(),
    garbage: Buffer.from("garbage"),
  };
  await world.push("keys", { tag: "1" });
  image = `${world.host}/keys:1`;
  const key = world.file("signer.key", privateKey.armor());
  const { exit, stderr } = await world.run([
    "sign",
    "--format",
    "openpgp",
    "--key",
    key,
    "--registries-d",
    world.registriesD,
    image,
  ]);
  if (exit !== 0) throw new Error(stderr);
});
afterAll(() => world.close());

interface Row {
  readonly title: string;
  /** Files; of several blocks in one, beside one another. */
  readonly files: readonly (readonly Name[])[];
  /** Here; absent: accepted. */
  readonly code?: string;
  /** The same as here unless told. */
  readonly skopeo?: boolean;
}

const rows: readonly Row[] = [
  { title: "the key", files: [["signer"]] },
  { title: "the key twice", files: [["signer"], ["signer"]] },
  { title: "a copy that is revoked", files: [["revoked"]], code: "E_CERTIFICATE_REVOKED" },
  { title: "the key, then a copy that is revoked", files: [["signer"], ["revoked"]], code: "E_CERTIFICATE_REVOKED" },
  { title: "a copy that is revoked, then the key", files: [["revoked"], ["signer"]], code: "E_CERTIFICATE_REVOKED" },
  { title: "both in one file", files: [["signer", "revoked"]], code: "E_CERTIFICATE_REVOKED" },
  {
    title: "the key, then a later copy that has expired",
    files: [["signer"], ["expired"]],
    code: "E_CERTIFICATE_EXPIRED",
  },
  { title: "both of these in one file", files: [["expired", "signer"]], code: "E_CERTIFICATE_EXPIRED" },
  { title: "a copy that was renewed", files: [["renewed"]] },
  {
    title: "a copy that has expired, then one that was renewed",
    files: [["expired"], ["renewed"]],
    code: "E_CERTIFICATE_EXPIRED",
    skopeo: true,
  },
  { title: "an empty file beside the key", files: [["signer"], ["empty"]], code: "E_POLICY_KEY", skopeo: true },
  {
    title: "a file without a key beside the key",
    files: [["signer"], ["garbage"]],
    code: "E_POLICY_KEY",
    skopeo: true,
  },
];

describeWithPeer("skopeo", "26: the key files of signedBy, here and by Debian's skopeo with gpg", () => {
  it.each(rows)("$title", async ({ title, files, code, skopeo }) => {
    const keyPaths = files.map((parts, at) => {
      const file = world.file(`${title}-${at}.gpg`, "");
      writeFileSync(file, Buffer.concat(parts.map((name) => blocks[name])));
      return file;
    });
    const document = { default: [{ type: "signedBy", keyType: "GPGKeys", keyPaths }] };
    const { exit, report } = await world.verify(document, image);
    const said = report.images.flatMap(({ errors, signatures }) => [
      ...errors.map((error) => error.code),
      ...signatures.flatMap(({ reasons }) => reasons.map((reason) => reason.code)),
    ]);
    expect([exit, said]).toEqual(code === undefined ? [0, []] : [1, [code]]);
    const policy = world.file(`${title}.json`, JSON.stringify(document));
    expect(await skopeoAllows(policy, `docker://${image}`, world.registriesD)).toBe(skopeo ?? code === undefined);
  });
});
