import { createHash, createPrivateKey, type KeyObject, sign as signBytes } from "node:crypto";
import { deflateRawSync } from "node:zlib";
import { generateKey, readPrivateKey, revokeKey } from "openpgp";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { encodeMessage } from "../../../src/formats/openpgp/message.ts";
import type { Digest } from "../../../src/model/digest.ts";
import type { ErrorCode } from "../../../src/model/error-codes.ts";
import { verifyReport } from "../../../src/reports/report.ts";
import { parseOpenPgpSecretKey } from "../../../src/signers/openpgp-key.ts";
import { concat, PACKET, readPackets, uint32, writeLength, writePacket } from "../../../src/trust/openpgp/packets.ts";
import {
  encodeSignaturePacket,
  readIntegers,
  readSignaturePacket,
  trailerOf,
  writeInteger,
} from "../../../src/trust/openpgp/signature-packet.ts";
import { type Gpg, openGpg } from "../../interop/support/gpg.ts";
import { describeWithPeer } from "../../interop/support/peers.ts";
import { pushImage, storageSink } from "../../support/images.ts";
import { type StartedRegistry, startRegistry } from "../../support/start-registry.ts";
import { runByClock, runSkopeo, standaloneVerify } from "../support/openpgp.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

const DAY = 86_400_000;
const born = new Date(Math.floor(Date.now() / 1000) * 1000 - 400 * DAY);
const signedAt = new Date(born.getTime() + 300 * DAY);

interface Keys {
  readonly secret: string;
  readonly block: string;
  readonly fingerprint: string;
  readonly key: KeyObject;
  readonly signer: string;
  readonly algorithm: number;
}

/** Edge cases 1 to 27 of verification, by their numbers: what is wrong, what we say, what skopeo 1.9.3 says. */
interface Case {
  readonly number: number;
  readonly name: string;
  readonly message: () => Uint8Array | Promise<Uint8Array>;
  /** Absent: it counts. */
  readonly code?: ErrorCode;
  /** What skopeo makes of it; the same as we unless told. */
  readonly skopeo?: "accepts" | "refuses";
  /** `--compat containers-image` lets it pass. */
  readonly relaxed?: boolean;
  /** The blocks that are trusted; that of the release key unless told. */
  readonly trusted?: () => readonly string[];
  readonly expected?: () => string;
}

describeWithPeer(["gpg", "skopeo"], "one OpenPGP simple signature (edge cases 1 to 27)", () => {
  let gpg: Gpg;
  let registry: StartedRegistry;
  let digest: Digest;
  let reference: string;
  let release: Keys;
  let other: Keys;
  let rsa: Keys;
  let withSubkey: Keys;
  let gone: Keys;
  let revokedSubkey: string;
  let lost: Keys;
  let revokedPrimary: string;
  let expired: Keys;

  beforeAll(async () => {
    gpg = openGpg();
    registry = await startRegistry({ signatureExtension: true });
    const image = await pushImage(storageSink(registry.storage, "team/app"), { tag: "1.2", seed: "cases" });
    digest = image.digest;
    reference = `${registry.host}/team/app:1.2`;
    gpg.file("manifest.json", image.bytes);
    release = await makeKeys("release", { type: "ecc", curve: "ed25519Legacy" });
    other = await makeKeys("other", { type: "ecc", curve: "nistP256" });
    rsa = await makeKeys("rsa", { type: "rsa", rsaBits: 2048 });
    withSubkey = await makeKeys("subkey", { type: "ecc", curve: "ed25519Legacy" }, true);
    gone = await makeKeys("gone", { type: "ecc", curve: "ed25519Legacy" }, true);
    revokedSubkey = await revokingSubkey(gone);
    lost = await makeKeys("lost", { type: "ecc", curve: "ed25519Legacy" });
    revokedPrimary = await revoking(lost);
    expired = await makeKeys("expired", { type: "ecc", curve: "ed25519Legacy" }, false, 350 * DAY);
    for (const { secret } of [release, other, rsa, withSubkey]) {
      await gpg.do("--passphrase", "", "--import", gpg.file("import.asc", secret));
    }
    for (const block of [revokedSubkey, revokedPrimary, expired.block]) {
      await gpg.do("--import", gpg.file("import.asc", block));
    }
  });
  afterAll(async () => {
    await gpg?.close();
    await registry?.close();
  });

  const good = () => payload();
  const change = (from: string, to: string) => () => signed(payload().replace(from, to));
  const cases: readonly Case[] = [
    { number: 0, name: "as it should be", message: () => signed(good()) },
    { number: 0, name: "as skopeo makes it", message: standaloneSigned },
    {
      number: 1,
      name: "a payload that is not JSON",
      message: () => signed("release 1.2"),
      code: "E_PAYLOAD_MALFORMED",
    },
    { number: 2, name: "another member beside critical", message: change("{", '{"x":1,'), code: "E_PAYLOAD_MALFORMED" },
    { number: 3, name: "no optional", message: change(',"optional":{}', ""), code: "E_PAYLOAD_MALFORMED" },
    {
      number: 3,
      name: "optional null",
      message: change('"optional":{}', '"optional":null'),
      code: "E_PAYLOAD_MALFORMED",
    },
    {
      number: 4,
      name: "another critical member",
      message: change('"critical":{', '"critical":{"x":1,'),
      code: "E_PAYLOAD_MALFORMED",
    },
    {
      number: 5,
      name: "another member of the image",
      message: change('"image":{', '"image":{"x":1,'),
      code: "E_PAYLOAD_MALFORMED",
    },
    {
      number: 5,
      name: "another member of the identity",
      message: change('"identity":{', '"identity":{"x":1,'),
      code: "E_PAYLOAD_MALFORMED",
    },
    {
      number: 6,
      name: "a member twice",
      message: change('"optional":{}', '"optional":{},"optional":{}'),
      code: "E_PAYLOAD_MALFORMED",
    },
    {
      number: 6,
      name: "an optional member twice",
      message: change('"optional":{}', '"optional":{"a":1,"a":2}'),
      code: "E_PAYLOAD_MALFORMED",
    },
    {
      number: 7,
      name: "cosign's type",
      message: change("atomic container signature", "cosign container image signature"),
      code: "E_PAYLOAD_TYPE",
    },
    {
      number: 7,
      name: "a member in another case",
      message: change('"critical"', '"Critical"'),
      code: "E_PAYLOAD_MALFORMED",
    },
    {
      number: 8,
      name: "a fraction of a second",
      message: change('"optional":{}', '"optional":{"timestamp":1.5}'),
      code: "E_PAYLOAD_MALFORMED",
    },
    {
      number: 8,
      name: "a creator that is no text",
      message: change('"optional":{}', '"optional":{"creator":1}'),
      code: "E_PAYLOAD_MALFORMED",
    },
    {
      number: 8,
      name: "a time that no 64 bits hold",
      message: change('"optional":{}', '"optional":{"timestamp":9223372036854775808}'),
      code: "E_PAYLOAD_MALFORMED",
    },
    {
      number: 8,
      name: "no creator and no time, as null has it",
      message: change('"optional":{}', '"optional":{"creator":null,"timestamp":null}'),
    },
    { number: 8, name: "a time before 1970", message: change('"optional":{}', '"optional":{"timestamp":-1}') },
    { number: 9, name: "another optional member", message: change('"optional":{}', '"optional":{"x":{"y":[1]}}') },
    { number: 10, name: "neither creator nor time", message: () => signed(good()) },
    {
      number: 11,
      name: "a digest with a path",
      message: () => signed(good().replace(digest, "sha256:../../etc")),
      code: "E_PAYLOAD_MALFORMED",
    },
    {
      number: 11,
      name: "another digest",
      message: () => signed(good().replace(digest, `sha256:${"0".repeat(64)}`)),
      code: "E_SUBJECT_MISMATCH",
    },
    {
      number: 12,
      name: "a reference that is none",
      message: () => signed(good().replace("team/app", "Team/App")),
      code: "E_PAYLOAD_MALFORMED",
    },
    { number: 13, name: "data behind the payload", message: () => signed(`${good()}{}`), code: "E_PAYLOAD_MALFORMED" },
    { number: 13, name: "white space behind the payload", message: () => signed(`${good()} \n`) },
    { number: 14, name: "garbage", message: () => Buffer.from("garbage"), code: "E_SIGNATURE_MALFORMED" },
    { number: 15, name: "literal data alone", message: () => gpgMade("--store", "-z0"), code: "E_SIGNATURE_MALFORMED" },
    {
      number: 16,
      name: "encrypted data",
      message: () => gpgMade("--passphrase", "x", "--symmetric"),
      code: "E_SIGNATURE_MALFORMED",
    },
    {
      number: 17,
      name: "clear text",
      message: () => gpgSigned("--clearsign"),
      code: "E_SIGNATURE_MALFORMED",
      skopeo: "accepts",
      relaxed: true,
    },
    {
      number: 17,
      name: "text in the place of bytes",
      message: () => gpgSigned("--textmode", "--sign"),
      code: "E_SIGNATURE_MALFORMED",
      skopeo: "accepts",
      relaxed: true,
    },
    {
      number: 18,
      name: "ASCII armor",
      message: () => gpgSigned("--armor", "--sign"),
      code: "E_SIGNATURE_MALFORMED",
      skopeo: "accepts",
      relaxed: true,
    },
    {
      number: 19,
      name: "two signatures",
      message: () => gpgSigned("-u", other.fingerprint, "--sign"),
      code: "E_SIGNATURE_MALFORMED",
    },
    {
      number: 19,
      name: "no data: a detached signature",
      message: () => gpgSigned("--detach-sign"),
      code: "E_SIGNATURE_MALFORMED",
    },
    {
      number: 20,
      name: "two compressed messages",
      message: async () => twice(await gpgSigned("--sign")),
      code: "E_SIGNATURE_MALFORMED",
      skopeo: "accepts",
      relaxed: true,
    },
    {
      number: 20,
      name: "compressed by BZIP2",
      message: () => gpgSigned("--compress-algo", "bzip2", "--sign"),
      code: "E_SIGNATURE_MALFORMED",
      skopeo: "accepts",
    },
    {
      number: 20,
      name: "bytes behind a compressed message",
      message: async () => concat([await gpgSigned("--sign"), Buffer.from("junk")]),
      code: "E_SIGNATURE_MALFORMED",
      skopeo: "accepts",
      relaxed: true,
    },
    {
      number: 20,
      name: "compressed twice over",
      message: () => compressed(compressed(signed(good()))),
      code: "E_SIGNATURE_MALFORMED",
      skopeo: "accepts",
    },
    {
      number: 20,
      name: "a marker in front of the message",
      message: () => concat([writePacket(PACKET.marker, Buffer.from("PGP")), signed(good())]),
      code: "E_SIGNATURE_MALFORMED",
      skopeo: "accepts",
    },
    {
      number: 20,
      name: "a signature packet that says no length",
      message: () => withoutLength(signed(good())),
      code: "E_SIGNATURE_MALFORMED",
    },
    { number: 20, name: "two plain messages", message: () => twice(signed(good())), code: "E_SIGNATURE_MALFORMED" },
    {
      number: 20,
      name: "bytes behind a plain message",
      message: () => concat([signed(good()), Buffer.from("junk")]),
      code: "E_SIGNATURE_MALFORMED",
    },
    { number: 21, name: "a changed payload", message: () => corrupted(signed(good())), code: "E_SIGNATURE_INVALID" },
    {
      number: 21,
      name: "numbers that are longer than those of any curve",
      message: () => longNumbers(signed(good(), other)),
      code: "E_SIGNATURE_MALFORMED",
      trusted: () => [other.block],
      expected: () => other.fingerprint,
    },
    {
      number: 21,
      name: "a longer hash than the curve's own",
      message: () => gpgMade("--passphrase", "", "-u", other.fingerprint, "--digest-algo", "SHA512", "--sign"),
      trusted: () => [other.block],
      expected: () => other.fingerprint,
    },
    {
      number: 22,
      name: "a signature that has expired",
      message: () => signed(good(), release, { lifetime: 60 }),
      code: "E_SIGNATURE_EXPIRED",
    },
    {
      number: 23,
      name: "by a subkey that has been revoked",
      message: () => signed(good(), gone),
      code: "E_CERTIFICATE_REVOKED",
      trusted: () => [revokedSubkey],
      expected: () => gone.signer,
    },
    {
      number: 23,
      name: "by a key that has been revoked",
      message: () => signed(good(), lost),
      code: "E_CERTIFICATE_REVOKED",
      trusted: () => [revokedPrimary],
      expected: () => lost.fingerprint,
    },
    {
      number: 23,
      name: "by a key that one of two copies says is revoked",
      message: () => signed(good(), lost),
      code: "E_CERTIFICATE_REVOKED",
      trusted: () => [lost.block, revokedPrimary],
      expected: () => lost.fingerprint,
    },
    {
      number: 23,
      name: "by a subkey that one of two copies in a file says is revoked",
      message: () => signed(good(), gone),
      code: "E_CERTIFICATE_REVOKED",
      trusted: () => [revokedSubkey + gone.block],
      expected: () => gone.signer,
    },
    {
      number: 23,
      name: "by a key that has expired since",
      message: () => signed(good(), expired),
      code: "E_CERTIFICATE_EXPIRED",
      trusted: () => [expired.block],
      expected: () => expired.fingerprint,
    },
    {
      number: 24,
      name: "by a signing subkey",
      message: () => signed(good(), withSubkey),
      trusted: () => [withSubkey.block],
      skopeo: "refuses",
      expected: () => withSubkey.fingerprint,
    },
    { number: 25, name: "by a key that is not trusted", message: () => signed(good(), other), code: "E_KEY_MISMATCH" },
    {
      number: 26,
      name: "either of two keys, in one order",
      message: () => signed(good()),
      trusted: () => [release.block, other.block],
    },
    {
      number: 26,
      name: "either of two keys, in the other",
      message: () => signed(good()),
      trusted: () => [other.block, release.block],
    },
    {
      number: 26,
      name: "both keys in one file",
      message: () => signed(good()),
      trusted: () => [other.block + release.block],
    },
    {
      number: 27,
      name: "a signature packet of version 3",
      message: () => versionThree(rsa),
      code: "E_SIGNATURE_MALFORMED",
      trusted: () => [rsa.block],
      expected: () => rsa.fingerprint,
      skopeo: "accepts",
    },
    {
      number: 27,
      name: "a signature packet of version 6",
      message: () => versionSix(signed(good())),
      code: "E_SIGNATURE_MALFORMED",
    },
    {
      number: 21,
      name: "SHA-1",
      message: () => gpgSigned("--digest-algo", "SHA1", "--sign"),
      code: "E_ALGORITHM_NOT_ALLOWED",
      skopeo: "accepts",
    },
    {
      number: 21,
      name: "a critical notation that nobody knows",
      message: () => gpgSigned("--sig-notation", "!a@example.com=1", "--sign"),
      code: "E_ATTRIBUTE_UNKNOWN",
    },
    {
      number: 21,
      name: "a critical subpacket that nobody knows, outside of what is signed",
      message: () => signed(good(), release, { unhashed: subpacket(0x80 | 100, Uint8Array.of(1)) }),
      code: "E_ATTRIBUTE_UNKNOWN",
    },
  ];

  it.each(cases)("($number) $name", async ({ message, code, skopeo, relaxed, trusted, expected }) => {
    const bytes = await message();
    const blocks = trusted?.() ?? [release.block];
    const strict = await verify(bytes, blocks);
    expect(strict.codes[0], strict.said).toBe(code);
    expect(strict.exit).toBe(code === undefined ? 0 : 1);
    const lenient = await verify(bytes, blocks, "--compat", "containers-image");
    expect(lenient.exit, lenient.said).toBe(code === undefined || relaxed ? 0 : 1);
    const file = gpg.file("case.sig", bytes);
    const { exitCode } = await standaloneVerify(gpg, reference, expected?.() ?? release.fingerprint, file);
    const verdict = exitCode === 0 ? "accepts" : "refuses";
    expect(verdict, "skopeo").toBe(skopeo ?? (code === undefined ? "accepts" : "refuses"));
  });

  describe("keys that cannot be used", () => {
    it.each([
      ["an empty file", "", "E_KEY_INVALID"],
      ["no key", "release key\n", "E_KEY_INVALID"],
    ] as const)("(26) %s ends the run before any request", async (_name, content, code) => {
      const before = registry.requests.length;
      const { exit, said } = await verify(signed(good()), [release.block, content]);
      expect(said).toContain(code);
      expect(exit).toBe(2);
      expect(registry.requests.length).toBe(before);
    });
    it("(26) a file that is not there ends the run, though another holds the key", async () => {
      const args = ["--gpg-key", gpg.file("release.asc", release.block), "--gpg-key", "/nowhere/key.asc"];
      const { exit, said } = await verifyWith(args);
      expect([exit, said]).toEqual([2, expect.stringContaining("E_FILE_UNREADABLE")]);
    });
  });

  function payload(): string {
    return JSON.stringify({
      critical: {
        identity: { "docker-reference": reference },
        image: { "docker-manifest-digest": digest },
        type: "atomic container signature",
      },
      optional: {},
    });
  }

  /** One message as this program writes it, around whatever `text` is. */
  function signed(
    text: string,
    by: Keys = release,
    { lifetime, unhashed }: { lifetime?: number; unhashed?: Uint8Array } = {},
  ): Uint8Array {
    const literal = Buffer.from(text);
    const subpackets = concat([
      subpacket(33, concat([Uint8Array.of(4), Buffer.from(by.signer, "hex")])),
      subpacket(2, uint32(signedAt.getTime() / 1000)),
      ...(lifetime === undefined ? [] : [subpacket(3, uint32(lifetime))]),
    ]);
    const hashed = concat([Uint8Array.of(4, 0, by.algorithm, 8, 0, subpackets.length), subpackets]);
    const values = signatureValues(by, concat([literal, hashed, trailerOf(hashed)]));
    const keyId = by.signer.slice(-16);
    const packet =
      unhashed === undefined
        ? encodeSignaturePacket(hashed, keyId, values.left, values.numbers)
        : concat([hashed, Uint8Array.of(0, unhashed.length), unhashed, values.left, values.numbers]);
    return encodeMessage(literal, packet, keyId);
  }

  function versionThree(by: Keys): Uint8Array {
    const literal = Buffer.from(good());
    const hashed = concat([Uint8Array.of(0), uint32(signedAt.getTime() / 1000)]);
    const { left, numbers } = signatureValues(by, concat([literal, hashed]));
    const keyId = Buffer.from(by.signer.slice(-16), "hex");
    const body = concat([Uint8Array.of(3, 5), hashed, keyId, Uint8Array.of(by.algorithm, 8), left, numbers]);
    const announced = concat([Uint8Array.of(3, 0, 8, by.algorithm), keyId, Uint8Array.of(1)]);
    const data = concat([Uint8Array.of(0x62, 0, 0, 0, 0, 0), literal]);
    return concat([writePacket(4, announced), writePacket(11, data), writePacket(2, body)]);
  }

  function versionSix(message: Uint8Array): Uint8Array {
    const at = Buffer.from(message).lastIndexOf(Uint8Array.of(4, 0, release.algorithm, 8));
    return message.map((byte, index) => (index === at ? 6 : byte));
  }

  function corrupted(message: Uint8Array): Uint8Array {
    const at = Buffer.from(message).indexOf("app:1.2") + 6;
    return message.map((byte, index) => (index === at ? 0x33 : byte));
  }

  /** The old header of a packet that takes all that is left, before the signature. */
  function withoutLength(message: Uint8Array): Uint8Array {
    const packets = readPackets(message);
    const signature = packets.at(-1)?.body ?? new Uint8Array();
    const others = packets.slice(0, -1).map(({ whole }) => whole);
    return concat([...others, Uint8Array.of(0x80 | (PACKET.signature << 2) | 3), signature]);
  }

  /** Each of the two numbers behind 256 octets too many. */
  function longNumbers(message: Uint8Array): Uint8Array {
    const packets = readPackets(message);
    const signature = packets.at(-1)?.body ?? new Uint8Array();
    const { values } = readSignaturePacket(signature);
    const numbers = readIntegers(values, 2).map((number) =>
      writeInteger(concat([new Uint8Array(256).fill(1), number])),
    );
    const body = concat([signature.subarray(0, signature.length - values.length), ...numbers]);
    return concat([...packets.slice(0, -1).map(({ whole }) => whole), writePacket(PACKET.signature, body)]);
  }

  const compressed = (message: Uint8Array) => concat([Uint8Array.of(0xa3, 1), deflateRawSync(message)]);
  const twice = (message: Uint8Array) => concat([message, message]);

  async function gpgMade(...args: readonly string[]): Promise<Uint8Array> {
    const file = gpg.file("payload", payload());
    await gpg.do("--output", `${gpg.home}/made`, ...args, file);
    return gpg.read("made");
  }

  const gpgSigned = (...args: readonly string[]) => gpgMade("--passphrase", "", "-u", release.fingerprint, ...args);

  async function standaloneSigned(): Promise<Uint8Array> {
    const args = [`${gpg.home}/manifest.json`, reference, release.fingerprint, "--output", `${gpg.home}/theirs.sig`];
    const { exitCode, stderr } = await runSkopeo(gpg, "standalone-sign", ...args);
    expect(exitCode, stderr).toBe(0);
    return gpg.read("theirs.sig");
  }

  /** What `verify` makes of an image whose registry keeps this one signature. */
  async function verify(bytes: Uint8Array, blocks: readonly string[], ...args: readonly string[]) {
    const content = Buffer.from(bytes).toString("base64");
    const kept = { schemaVersion: 2, name: `${digest}@${"0".repeat(32)}`, type: "atomic", content };
    registry.storage.get("team/app")?.signatures.set(digest, [kept]);
    const keys = blocks.flatMap((block, index) => ["--gpg-key", gpg.file(`trusted-${index}.asc`, block)]);
    return verifyWith([...keys, ...args]);
  }

  async function verifyWith(args: readonly string[]) {
    const all = ["verify", "--output", "json", "--require-reference", "exact", ...args, reference];
    const { exit, out, said } = await runByClock(all, { env: { PATH: "/usr/bin:/bin" } });
    if (exit === 2) return { exit, codes: [], said };
    const report = verifyReport.parse(JSON.parse(out));
    const codes = report.images.flatMap(({ signatures }) =>
      signatures.flatMap(({ reasons }) => reasons.map(({ code }) => code)),
    );
    return { exit, codes, said };
  }
});

function subpacket(type: number, body: Uint8Array): Uint8Array {
  return concat([writeLength(body.length + 1), Uint8Array.of(type), body]);
}

/** A key that was made long ago; the secret key signs data by itself, or by its subkey. It lasts for ever, or `lifetime` milliseconds. */
async function makeKeys(name: string, kind: KeyKind, subkey = false, lifetime = 0): Promise<Keys> {
  const { privateKey: secret, publicKey: block } = await generateKey({
    ...kind,
    userIDs: { name },
    date: born,
    keyExpirationTime: lifetime / 1000,
    subkeys: subkey ? [{ ...kind, sign: true }] : [],
    format: "armored",
  });
  const { key, material } = await parseOpenPgpSecretKey(Buffer.from(secret), async () => undefined, signedAt);
  const { fingerprint, keys } = material.certificate;
  const signing = subkey ? keys.find(({ primary }) => !primary) : material.key;
  if (signing === undefined) throw new Error("no key that signs");
  const own = subkey ? await subkeyOf(secret) : key;
  return { secret, block, fingerprint, key: own, signer: signing.fingerprint, algorithm: signing.algorithm };
}

type KeyKind = { type: "ecc"; curve: "ed25519Legacy" | "nistP256" } | { type: "rsa"; rsaBits: number };

async function subkeyOf(armoredKey: string): Promise<KeyObject> {
  const [subkey] = (await readPrivateKey({ armoredKey })).getSubkeys();
  const held: unknown = subkey !== undefined && "privateParams" in subkey.keyPacket && subkey.keyPacket.privateParams;
  const seed: unknown = typeof held === "object" && held !== null && "seed" in held ? held.seed : undefined;
  if (!(seed instanceof Uint8Array)) throw new Error("no subkey");
  const pkcs8 = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]);
  return createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" });
}

async function revokingSubkey({ secret }: Keys): Promise<string> {
  const whole = await readPrivateKey({ armoredKey: secret });
  const [subkey] = whole.getSubkeys();
  if (subkey === undefined || !("privateParams" in whole.keyPacket)) throw new Error("no subkey");
  whole.subkeys = [await subkey.revoke(whole.keyPacket)];
  return whole.toPublic().armor();
}

async function revoking({ secret }: Keys): Promise<string> {
  const key = await readPrivateKey({ armoredKey: secret });
  return (await revokeKey({ key, format: "armored" })).publicKey;
}

/** What stands at the end of a signature packet by this key over `data`. */
function signatureValues({ key, algorithm }: Keys, data: Uint8Array) {
  const digest = createHash("sha256").update(data).digest();
  const left = digest.subarray(0, 2);
  if (algorithm === 1) return { left, numbers: writeInteger(signBytes("sha256", data, key)) };
  const octets =
    algorithm === 22 ? signBytes(null, digest, key) : signBytes("sha256", data, { key, dsaEncoding: "ieee-p1363" });
  return { left, numbers: concat([writeInteger(octets.subarray(0, 32)), writeInteger(octets.subarray(32))]) };
}
