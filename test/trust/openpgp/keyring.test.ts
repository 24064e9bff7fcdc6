import fc from "fast-check";
import { generateKey } from "openpgp";
import { beforeAll, describe, expect, it } from "vitest";
import { isCountersignError } from "../../../src/model/errors.ts";
import { readArmor } from "../../../src/trust/openpgp/armor.ts";
import { isOpenPgp, isOpenPgpSecret } from "../../../src/trust/openpgp/detect.ts";
import { parseKeyring } from "../../../src/trust/openpgp/keyring.ts";
import { concat, PACKET, readPackets, writePacket } from "../../../src/trust/openpgp/packets.ts";

let block: string;
let secret: string;
let binary: Uint8Array;
let fingerprint: string;
const at = new Date();

beforeAll(async () => {
  const made = await generateKey({
    type: "ecc",
    curve: "ed25519Legacy",
    userIDs: { name: "Release" },
    subkeys: [],
    date: new Date(at.getTime() - 86_400_000),
  });
  [block, secret] = [made.publicKey, made.privateKey];
  binary = readArmor(Buffer.from(block))[0]?.bytes ?? new Uint8Array();
  fingerprint = (await parseKeyring(binary, at)).certificates[0]?.fingerprint ?? "";
});

const namesIn = async (bytes: Uint8Array) =>
  (await parseKeyring(bytes, at)).certificates.flatMap(({ userIds }) => userIds);

describe("a file of public keys", () => {
  it("says the same armored, binary, in a text, with other line ends, and where a variable has lost them", async () => {
    const forms: readonly (string | Uint8Array)[] = [
      block,
      binary,
      `Our release key:\n\n${block}\nKeep it.\n`,
      block.replace(/\r?\n/g, "\r\n"),
      block.replace(/\r?\n/g, " "),
    ];
    for (const form of forms) expect(await namesIn(Buffer.from(form)), String(form).slice(0, 60)).toEqual(["Release"]);
    expect(await namesIn(Buffer.from(block + block))).toEqual(["Release", "Release"]);
  });

  it("is told from a secret key, which is refused and not shown", async () => {
    expect([isOpenPgp(Buffer.from(block)), isOpenPgpSecret(Buffer.from(block))]).toEqual([true, false]);
    expect([isOpenPgp(binary), isOpenPgpSecret(binary)]).toEqual([true, false]);
    const whole = readArmor(Buffer.from(secret))[0]?.bytes ?? new Uint8Array();
    for (const form of [Buffer.from(secret), whole]) {
      expect([isOpenPgp(form), isOpenPgpSecret(form)]).toEqual([true, true]);
      await expect(parseKeyring(form, at)).rejects.toMatchObject({ code: "E_KEY_INVALID" });
    }
  });

  it("is told from PEM and DER", () => {
    for (const form of ["-----BEGIN PUBLIC KEY-----\n", "-----BEGIN CERTIFICATE-----\n", "0\u0082\u0001"]) {
      expect(isOpenPgp(Buffer.from(form, "latin1"))).toBe(false);
    }
  });

  it("vouches for nobody else when any of its bytes has changed", async () => {
    const change = fc.tuple(fc.nat({ max: binary.length - 1 }), fc.integer({ min: 1, max: 255 }));
    await fc.assert(
      fc.asyncProperty(change, async ([place, bits]) => {
        const changed = binary.map((byte, index) => (index === place ? byte ^ bits : byte));
        try {
          const { certificates } = await parseKeyring(changed, at);
          // What is outside of the signed part may change, as how a packet's length is written.
          return certificates.every(
            (each) => each.fingerprint === fingerprint && each.userIds.every((name) => name === "Release"),
          );
        } catch (error) {
          return isCountersignError(error) && /^E_KEY_/.test(error.code);
        }
      }),
      { numRuns: 150 },
    );
  });

  it("has the name of what the key has signed, and of nothing that was added to it", async () => {
    const [key, ...rest] = readPackets(binary).map(({ whole }) => whole);
    const added = writePacket(13, Buffer.from("Somebody Else <else@example.com>"));
    for (const packets of [
      [key, added, ...rest],
      [key, ...rest, added],
    ]) {
      expect(await namesIn(concat(packets.flatMap((each) => each ?? [])))).toEqual(["Release"]);
    }
  });

  it("names the primary user first, though it stands behind others, and after the key has expired too", async () => {
    for (const keyExpirationTime of [0, 3600]) {
      const date = new Date(at.getTime() - 86_400_000);
      const userIDs = [{ name: "First" }, { name: "Second" }];
      const { publicKey } = await generateKey({
        type: "ecc",
        curve: "ed25519Legacy",
        userIDs,
        date,
        keyExpirationTime,
      });
      const [key, one, oneSigned, ...others] = readPackets(readArmor(Buffer.from(publicKey))[0]?.bytes ?? binary);
      const [two, twoSigned, ...rest] = others;
      const turned = [key, two, twoSigned, one, oneSigned, ...rest].flatMap((each) => each?.whole ?? []);
      expect(await namesIn(concat(turned))).toEqual(["First", "Second"]);
    }
  });

  it("is refused when its key is written otherwise than it was signed, which would give it another fingerprint", async () => {
    const [key, ...rest] = readPackets(binary);
    const body = Buffer.from(key?.body ?? []);
    // The length in bits of the point, 263, said as 264.
    const length = body.indexOf(Uint8Array.of(0x01, 0x07, 0x40));
    body[length + 1] = 0x08;
    const changed = concat([writePacket(PACKET.publicKey, body), ...rest.map(({ whole }) => whole)]);
    await expect(parseKeyring(changed, at)).rejects.toMatchObject({ code: "E_KEY_INVALID" });
  });

  it("is the binary key that it begins with, though a user ID holds the block of another", async () => {
    const date = new Date(at.getTime() - 86_400_000);
    const { publicKey } = await generateKey({ type: "ecc", curve: "ed25519Legacy", userIDs: { name: "Other" }, date });
    const file = concat([binary, writePacket(13, Buffer.from(publicKey))]);
    expect([isOpenPgp(file), isOpenPgpSecret(file)]).toEqual([true, false]);
    expect(await namesIn(file)).toEqual(["Release"]);
  });

  it("is read or refused by a code, whatever bytes it has", async () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc
        .string({ maxLength: 200 })
        .map((text) =>
          Buffer.from(`-----BEGIN PGP PUBLIC KEY BLOCK-----\n${text}\n-----END PGP PUBLIC KEY BLOCK-----`),
        ),
      fc.uint8Array({ maxLength: 60 }).map((tail) => Buffer.concat([binary, tail])),
    );
    await fc.assert(
      fc.asyncProperty(bytes, async (file) => {
        try {
          return (await parseKeyring(file, at)).certificates.length > 0;
        } catch (error) {
          return isCountersignError(error) && error.code.startsWith("E_KEY_");
        }
      }),
    );
  });
});
