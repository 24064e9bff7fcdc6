import { generateKeyPairSync, type KeyObject, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { fileOf, runCountersign } from "../support/countersign.ts";
import { status, throttled, withFaults } from "../support/faults.ts";
import { type StartedRegistry, startRegistry } from "../support/start-registry.ts";
import {
  ANY_PURPOSE,
  authority,
  type CertificateSpec,
  DAY,
  type Issued,
  issue,
  makeKey,
  signer,
} from "../trust/support/pki.ts";
import {
  type Completed,
  cosignImportKey,
  cosignPassword,
  cosignSign,
  cosignTrustedRoot,
  runCosign,
} from "./support/cosign.ts";
import { signHere, verdictsOf, verifyHere } from "./support/countersign.ts";
import { craftBundle, craftLegacy, payloadOf, statementOf } from "./support/crafted.ts";
import { type DockerRegistry, startDockerRegistry } from "./support/docker-registry.ts";
import { type PushedImage, pushImage, pushIndex } from "./support/image.ts";
import { startLenientRegistry } from "./support/lenient-registry.ts";
import { describeWithPeer } from "./support/peers.ts";
import { generateKey } from "./support/pki.ts";
import { keptSignatures, plant } from "./support/planted.ts";
import { temporaryFolder } from "./support/run.ts";

// Real programs, several for each promise, beside whatever else this machine does.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

// A row of docs/differences.md each: what cosign 3.1.2 does, and what is done here, shown on the same image.

const formats = ["cosign", "bundle"] as const;
/** Where folders of saved images are made. */
const carrying = temporaryFolder("carrying");
/** Of each row its name and the two promises, as the document has them. */
const rows: (readonly [id: string, cosign: string, here: string])[] = [];

/** One row: the situation, and the two promises about it. */
function difference<Given>(
  id: string,
  given: () => Promise<Given>,
  cosign: readonly [promise: string, show: (given: Given) => Promise<void>],
  here: readonly [promise: string, show: (given: Given) => Promise<void>],
): void {
  rows.push([id, cosign[0], here[0]]);
  describe.concurrent(id, () => {
    let made: Promise<Given> | undefined;
    const once = () => {
      made ??= given();
      return made;
    };
    it(`cosign ${cosign[0]}`, async () => cosign[1](await once()));
    it(`countersign ${here[0]}`, async () => here[1](await once()));
  });
}

const uri = "https://ci.example.test/release";
const period = { notBefore: new Date(Date.now() - DAY), notAfter: new Date(Date.now() + 30 * DAY) };
const root = issue({ ...authority("Root"), ...period });
const intermediate = issue({ ...authority("Intermediate"), issuer: root, ...period });
const second = issue({ ...authority("Second"), issuer: intermediate, ...period });

function leaf(spec: CertificateSpec = {}): Issued {
  return issue({ ...signer(), alternativeNames: [["uri", uri]], issuer: intermediate, ...period, ...spec });
}

const pemOf = (issued: Issued) => ({
  key: issued.key.export({ type: "pkcs8", format: "pem" }).toString(),
  publicKey: issued.publicKey.export({ type: "spki", format: "pem" }).toString(),
  certificate: issued.pem,
});

describeWithPeer(["cosign", "docker-registry"], "docs/differences.md", () => {
  let registry: DockerRegistry;
  let throttling: StartedRegistry | undefined;
  beforeAll(async () => {
    registry = await startDockerRegistry();
  });
  afterAll(() => Promise.all([registry?.stop(), throttling?.close()]));

  const newImage = (host = registry.host) => pushImage(host, `differences/${randomUUID()}`, randomUUID());

  /** `cosign verify` without a log, with these flags. */
  function cosignVerify(flags: readonly string[], ...images: readonly PushedImage[]): Promise<Completed> {
    return runCosign(["verify", "--insecure-ignore-tlog=true", ...flags, ...images.map(({ reference }) => reference)]);
  }
  const byKey = (publicPem: string) => ["--key", fileOf(publicPem)];
  const identity = ["--certificate-identity", uri, "--certificate-oidc-issuer-regexp", ".*"];
  const byRoots = (roots: string, who: readonly string[] = identity) => [
    ...["--ca-roots", fileOf(roots), "--insecure-ignore-sct=true"],
    ...who,
  ];
  const byTrustedRoot = async (chain: string, who: readonly string[] = identity) => [
    ...["--trusted-root", fileOf(await cosignTrustedRoot(chain)), "--insecure-ignore-sct=true"],
    ...who,
  ];

  function accepts(done: Completed): void {
    expect(done.exitCode, done.stderr).toBe(0);
  }
  function refuses(done: Completed, why: RegExp): void {
    expect(done.exitCode, done.stdout).not.toBe(0);
    expect(why.test(done.stderr), done.stderr).toBe(true);
  }

  /** Signed here by this certificate with its intermediate and root, in one format. */
  async function signedHere(by: Issued, format: "cosign" | "bundle", flags: readonly string[] = []) {
    const image = await newImage();
    const { key, certificate } = pemOf(by);
    const chain = intermediate.pem + root.pem;
    const signed = await signHere({ images: [image.reference], formats: [format], key, certificate, chain, flags });
    expect(signed.exitCode, signed.stdout).toBe(0);
    return image;
  }

  async function here(
    image: PushedImage | readonly PushedImage[],
    trust: Parameters<typeof verifyHere>[0]["trust"],
    flags: readonly string[] = [],
  ) {
    return verifyHere({ images: [image].flat().map(({ reference }) => reference), trust, flags });
  }

  // Who may sign.

  difference(
    "identity-pattern",
    () => signedHere(leaf(), "cosign"),
    [
      "finds the pattern anywhere in the name",
      async (image) => {
        const who = ["--certificate-identity-regexp", "example.test/rel", "--certificate-oidc-issuer-regexp", ".*"];
        accepts(await cosignVerify(byRoots(root.pem, who), image));
      },
    ],
    [
      "holds it against the whole name",
      async (image) => {
        const flags = (pattern: string) => ["--certificate-identity-regexp", pattern];
        const part = await here(image, { roots: root.pem }, flags("example.test/rel"));
        expect(verdictsOf(part)).toEqual(["untrusted E_IDENTITY_MISMATCH"]);
        const whole = await here(image, { roots: root.pem }, flags(".*example\\.test/rel.*"));
        expect(verdictsOf(whole)).toEqual(["trusted"]);
      },
    ],
  );

  difference(
    "identity-required",
    () => signedHere(leaf(), "cosign"),
    [
      "demands an identity and an OIDC issuer of any certificate",
      async (image) => {
        refuses(await cosignVerify(byRoots(root.pem, []), image), /--certificate-identity/);
        refuses(
          await cosignVerify(byRoots(root.pem, ["--certificate-identity", uri]), image),
          /--certificate-oidc-issuer/,
        );
      },
    ],
    [
      "takes an identity without issuer, and neither with a warning",
      async (image) => {
        const named = await here(image, { roots: root.pem, identity: uri });
        expect([verdictsOf(named), named.report.warnings]).toEqual([["trusted"], []]);
        const anyone = await here(image, { roots: root.pem });
        expect(verdictsOf(anyone)).toEqual(["trusted"]);
        expect(anyone.report.warnings.join()).toContain("no identity is asked for");
      },
    ],
  );

  difference(
    "bundle-names",
    async () => {
      const dns = leaf({ alternativeNames: [["dns", "ci.example.test"]] });
      const two = leaf({
        alternativeNames: [
          ["uri", "https://ci.example.test/first"],
          ["uri", uri],
        ],
      });
      return { dns: await signedHere(dns, "bundle"), two: await signedHere(two, "bundle") };
    },
    [
      "reads only the first URI of a certificate in a bundle, and no DNS name",
      async ({ dns, two }) => {
        const who = ["--certificate-identity", "ci.example.test", "--certificate-oidc-issuer-regexp", ".*"];
        refuses(
          await cosignVerify(await byTrustedRoot(intermediate.pem + root.pem, who), dns),
          /SAN|subject alternative name/i,
        );
        refuses(await cosignVerify(await byTrustedRoot(intermediate.pem + root.pem), two), /identit/);
      },
    ],
    [
      "compares every alternative name, in both formats",
      async ({ dns, two }) => {
        expect(verdictsOf(await here(dns, { roots: root.pem, identity: "ci.example.test" }))).toEqual(["trusted"]);
        expect(verdictsOf(await here(two, { roots: root.pem, identity: uri }))).toEqual(["trusted"]);
      },
    ],
  );

  difference(
    "certificate-without-names",
    async () => {
      const { alternativeNames: _, ...spec } = signer();
      const nameless = issue({ ...spec, issuer: intermediate, ...period });
      return { legacy: await signedHere(nameless, "cosign"), bundle: await signedHere(nameless, "bundle") };
    },
    [
      "refuses it under any identity pattern",
      async ({ legacy, bundle }) => {
        const who = ["--certificate-identity-regexp", ".*", "--certificate-oidc-issuer-regexp", ".*"];
        refuses(await cosignVerify(byRoots(root.pem, who), legacy), /identit/);
        refuses(
          await cosignVerify(await byTrustedRoot(intermediate.pem + root.pem, who), bundle),
          /SAN|subject alternative name/i,
        );
      },
    ],
    [
      "takes it by its subject",
      async ({ legacy, bundle }) => {
        const flags = ["--certificate-subject", "CN=release,O=Example"];
        expect(verdictsOf(await here([legacy, bundle], { roots: root.pem }, flags))).toEqual(["trusted", "trusted"]);
        const other = ["--certificate-identity-regexp", ".*"];
        expect(verdictsOf(await here(legacy, { roots: root.pem }, other))).toEqual(["untrusted E_IDENTITY_MISMATCH"]);
      },
    ],
  );

  // Which certificates are trusted.

  difference(
    "leaf-as-root",
    async () => {
      const issued = leaf();
      const { issuer: _, ...self } = {
        ...signer(),
        alternativeNames: [["uri", uri]] as const,
        ...period,
        issuer: undefined,
      };
      const selfSigned = issue(self);
      const craft = async (by: Issued) => {
        const image = await newImage();
        await plant(image, [craftLegacy(payloadOf(image), { key: by.key, certificate: by.pem })]);
        return { image, roots: by.pem };
      };
      return [await craft(issued), await craft(selfSigned)];
    },
    [
      "trusts a leaf that stands among the roots, issued or self-signed",
      async (cases) => {
        for (const { image, roots } of cases) accepts(await cosignVerify(byRoots(roots), image));
      },
    ],
    [
      "refuses a leaf that nobody vouches for",
      async (cases) => {
        for (const { image, roots } of cases) {
          const verdicts = verdictsOf(await here(image, { roots, identity: uri }));
          expect(verdicts).toEqual(["untrusted E_CERTIFICATE_SELF_SIGNED"]);
        }
      },
    ],
  );

  difference(
    "leaf-usage",
    async () => {
      const { extendedKeyUsage: _, ...any } = signer();
      const leaves = {
        withoutExtended: issue({ ...any, alternativeNames: [["uri", uri]], issuer: intermediate, ...period }),
        anyExtended: leaf({ extendedKeyUsage: [ANY_PURPOSE] }),
        agreement: leaf({ keyUsage: ["keyAgreement"] }),
      };
      const images = [];
      for (const by of Object.values(leaves)) {
        const image = await newImage();
        const chain = intermediate.pem + root.pem;
        await plant(image, [craftLegacy(payloadOf(image), { key: by.key, certificate: by.pem, chain })]);
        images.push(image);
      }
      return images;
    },
    [
      "takes a certificate without extended key usage, for any purpose, and one not for signatures",
      async (images) => {
        for (const image of images) accepts(await cosignVerify(byRoots(root.pem), image));
      },
    ],
    [
      "asks for code signing by name, and for digitalSignature where key usage is given",
      async (images) => {
        const verdicts = verdictsOf(await here(images, { roots: root.pem, identity: uri }));
        expect(verdicts).toEqual(Array(images.length).fill("untrusted E_CERTIFICATE_USAGE"));
      },
    ],
  );

  difference(
    "legacy-chain",
    async () => {
      const by = leaf();
      const deep = leaf({ issuer: second });
      const one = await newImage();
      await plant(one, [craftLegacy(payloadOf(one), { key: by.key, certificate: by.pem, chain: intermediate.pem })]);
      const two = await newImage();
      await plant(two, [
        craftLegacy(payloadOf(two), { key: deep.key, certificate: deep.pem, chain: second.pem + intermediate.pem }),
      ]);
      return { one, two };
    },
    [
      "passes over a chain of one, and takes the last of several for a root",
      async ({ one, two }) => {
        refuses(await cosignVerify(byRoots(root.pem), one), /unknown authority/);
        refuses(await cosignVerify(byRoots(root.pem), two), /unknown authority/);
      },
    ],
    [
      "uses every certificate of the chain, and writes one that cosign follows",
      async ({ one, two }) => {
        expect(verdictsOf(await here([one, two], { roots: root.pem, identity: uri }))).toEqual(["trusted", "trusted"]);
        for (const [by, chain] of [
          [leaf(), intermediate.pem],
          [leaf(), intermediate.pem + root.pem],
          [leaf({ issuer: second }), second.pem + intermediate.pem],
          [leaf({ issuer: second }), intermediate.pem + root.pem + second.pem],
        ] as const) {
          const image = await newImage();
          const { key, certificate } = pemOf(by);
          await signHere({ images: [image.reference], formats: ["cosign"], key, certificate, chain });
          accepts(await cosignVerify(byRoots(root.pem), image));
          expect(verdictsOf(await here(image, { roots: root.pem, identity: uri }))).toEqual(["trusted"]);
        }
      },
    ],
  );

  difference(
    "bundle-chain",
    async () => {
      const by = leaf();
      return { beside: await signedHere(by, "bundle"), inside: await signedHere(by, "bundle", ["--embed-chain"]) };
    },
    [
      "wants the intermediate in its trusted root, and does not see a bundle that holds a chain",
      async ({ beside, inside }) => {
        refuses(await cosignVerify(await byTrustedRoot(root.pem), beside), /verif/);
        accepts(await cosignVerify(await byTrustedRoot(intermediate.pem + root.pem), beside));
        refuses(await cosignVerify(await byTrustedRoot(intermediate.pem + root.pem), inside), /no signatures found/);
      },
    ],
    [
      "needs the root alone, the chain beside the bundle or inside it",
      async ({ beside, inside }) => {
        const verdicts = verdictsOf(await here([beside, inside], { roots: root.pem, identity: uri }));
        expect(verdicts).toEqual(["trusted", "trusted"]);
      },
    ],
  );

  difference(
    "weak-key",
    async () => {
      const { privateKey: key, publicKey } = generateKeyPairSync("rsa", { modulusLength: 1024 });
      const image = await newImage();
      await plant(image, [craftLegacy(payloadOf(image), { key })]);
      return { image, publicPem: publicKey.export({ type: "spki", format: "pem" }).toString() };
    },
    [
      "verifies by RSA with 1024 bits",
      async ({ image, publicPem }) => accepts(await cosignVerify(byKey(publicPem), image)),
    ],
    [
      "refuses the key",
      async ({ image, publicPem }) => {
        const done = await runCountersign(["verify", "--key", fileOf(publicPem), image.reference]);
        expect(done.exitCode).toBe(2);
        expect(done.stderr).toContain("E_KEY_WEAK");
      },
    ],
  );

  // What is signed.

  const { privateKey, publicPem, privatePem } = generateKey("p256");

  difference(
    "predicate-type",
    async () => {
      const image = await newImage();
      const predicate = fileOf('{"spdxVersion":"SPDX-2.3"}');
      const { privateKey: key } = await cosignImportKey(privatePem);
      const attested = await runCosign([
        ...["attest", "--use-signing-config=false", "--tlog-upload=false", "--key", fileOf(key)],
        ...["--type", "spdxjson", "--predicate", predicate, image.reference],
      ]);
      accepts(attested);
      return image;
    },
    [
      "verifies an image that has only an attestation",
      async (image) => accepts(await cosignVerify(byKey(publicPem), image)),
    ],
    [
      "tells an attestation from a signature",
      async (image) => {
        expect(verdictsOf(await here(image, { key: publicPem }))).toEqual(["untrusted E_PREDICATE_TYPE"]);
      },
    ],
  );

  difference(
    "payload-type",
    async () => {
      const image = await newImage();
      await plant(image, [craftLegacy(payloadOf(image, "atomic container signature"), { key: privateKey })]);
      return image;
    },
    ["does not read critical.type", async (image) => accepts(await cosignVerify(byKey(publicPem), image))],
    [
      "asks for cosign's",
      async (image) => {
        expect(verdictsOf(await here(image, { key: publicPem }))).toEqual(["untrusted E_PAYLOAD_TYPE"]);
      },
    ],
  );

  difference(
    "payload-strictness",
    async () => {
      const [other, twice, unknown] = await Promise.all([newImage(), newImage(), newImage()]);
      const doubled = payloadOf(twice).replace(
        '"docker-manifest-digest":',
        `"docker-manifest-digest":"${other.digest}","docker-manifest-digest":`,
      );
      await plant(twice, [craftLegacy(doubled, { key: privateKey })]);
      const extended = payloadOf(unknown).replace('"critical":{', '"critical":{"expires":"2020-01-01",');
      await plant(unknown, [craftLegacy(extended, { key: privateKey })]);
      return [twice, unknown];
    },
    [
      "reads the last of two members of one name, and passes over critical ones it does not know",
      async (images) => {
        for (const image of images) accepts(await cosignVerify(byKey(publicPem), image));
      },
    ],
    [
      "refuses both",
      async (images) => {
        expect(verdictsOf(await here(images, { key: publicPem }))).toEqual([
          "untrusted E_PAYLOAD_MALFORMED",
          "untrusted E_PAYLOAD_MALFORMED",
        ]);
      },
    ],
  );

  difference(
    "annotation-commas",
    newImage,
    [
      "splits -a at commas",
      async (image) => {
        const generated = await runCosign(["generate", "-a", "a=1,b=2", image.reference]);
        expect(JSON.parse(generated.stdout)).toMatchObject({ optional: { a: "1", b: "2" } });
      },
    ],
    [
      "takes each -a as one annotation",
      async (image) => {
        const annotations = { a: "1,b=2" };
        await signHere({ images: [image.reference], formats: ["cosign"], key: privatePem, annotations });
        const [signature] = await keptSignatures(image, "cosign");
        expect(JSON.parse(String(signature?.blob))).toMatchObject({ optional: annotations });
      },
    ],
  );

  // Algorithms.

  difference(
    "rsa-pss",
    async () => {
      const key = makeKey("rsa2048");
      const by = leaf({ key });
      const { key: pem, publicKey, certificate } = pemOf(by);
      const flags = ["--signing-algorithm", "rsa-pss-sha256"];
      const chain = intermediate.pem + root.pem;
      const sign = async (format: "cosign" | "bundle", material: object) => {
        const image = await newImage();
        const done = await signHere({ images: [image.reference], formats: [format], key: pem, flags, ...material });
        expect(done.exitCode, done.stdout).toBe(0);
        return image;
      };
      const keyed = [await sign("cosign", {}), await sign("bundle", {})] as const;
      const certified = [
        await sign("cosign", { certificate, chain }),
        await sign("bundle", { certificate, chain }),
      ] as const;
      return { keyed, certified, publicKey };
    },
    [
      "never verifies RSA-PSS",
      async ({ keyed, certified, publicKey }) => {
        for (const image of keyed) refuses(await cosignVerify(byKey(publicKey), image), /verif/);
        refuses(await cosignVerify(byRoots(root.pem), certified[0]), /verif/);
        refuses(await cosignVerify(await byTrustedRoot(intermediate.pem + root.pem), certified[1]), /verif/);
      },
    ],
    [
      "verifies it, unless the caller allows other algorithms only",
      async ({ keyed, certified, publicKey }) => {
        expect(verdictsOf(await here(keyed, { key: publicKey }))).toEqual(["trusted", "trusted"]);
        expect(verdictsOf(await here(certified, { roots: root.pem, identity: uri }))).toEqual(["trusted", "trusted"]);
        const flags = ["--allow-algorithms", "rsa-pkcs1-sha256"];
        const verdicts = verdictsOf(await here(keyed, { key: publicKey }, flags));
        expect(verdicts).toEqual(["untrusted E_ALGORITHM_NOT_ALLOWED", "untrusted E_ALGORITHM_NOT_ALLOWED"]);
      },
    ],
  );

  difference(
    "hash-of-the-key",
    async () => {
      const curve = generateKey("p384");
      const rsa = makeKey("rsa2048");
      const rsaPem = rsa.export({ type: "pkcs8", format: "pem" }).toString();
      const [byCosign, byRsa] = await Promise.all([newImage(), newImage()]);
      const { privateKey: key } = await cosignImportKey(curve.privatePem);
      accepts(await cosignSign({ image: byCosign.reference, format: "bundle", key }));
      const flags = ["--signing-algorithm", "rsa-pkcs1-sha512"];
      await signHere({ images: [byRsa.reference], formats: ["cosign"], key: rsaPem, flags });
      return { byCosign, curve: curve.publicPem, byRsa, rsa: pemOf(leaf({ key: rsa })).publicKey };
    },
    [
      "wants SHA-256 unless told, of what it signed by P-384 too",
      async ({ byCosign, curve, byRsa, rsa }) => {
        refuses(await cosignVerify(byKey(curve), byCosign), /invalid signature|could not verify/);
        accepts(await cosignVerify([...byKey(curve), "--signature-digest-algorithm", "sha384"], byCosign));
        refuses(await cosignVerify(byKey(rsa), byRsa), /verif/);
        accepts(await cosignVerify([...byKey(rsa), "--signature-digest-algorithm", "sha512"], byRsa));
      },
    ],
    [
      "takes SHA-256, SHA-384 and SHA-512 of any key, and signs with what cosign wants",
      async ({ byCosign, curve, byRsa, rsa }) => {
        expect(verdictsOf(await here(byCosign, { key: curve }))).toEqual(["trusted"]);
        expect(verdictsOf(await here(byRsa, { key: rsa }))).toEqual(["trusted"]);
      },
    ],
  );

  difference(
    "ed25519ph",
    async () => {
      const pair = generateKey("ed25519");
      const [byCosign, byHere] = await Promise.all([newImage(), newImage()]);
      const { privateKey: key } = await cosignImportKey(pair.privatePem);
      accepts(await cosignSign({ image: byCosign.reference, format: "cosign", key }));
      await signHere({ images: [byHere.reference], formats: ["cosign"], key: pair.privatePem });
      return { byCosign, byHere, key: pair.publicPem };
    },
    [
      "signs with Ed25519ph and verifies only Ed25519: not its own",
      async ({ byCosign, byHere, key }) => {
        refuses(await cosignVerify(byKey(key), byCosign), /failed to verify|invalid/);
        accepts(await cosignVerify(byKey(key), byHere));
      },
    ],
    [
      "signs with Ed25519 and verifies both",
      async ({ byCosign, byHere, key }) => {
        const done = await here([byCosign, byHere], { key });
        expect(verdictsOf(done)).toEqual(["trusted", "trusted"]);
        const algorithms = done.report.images.map(({ signatures }) => signatures[0]?.algorithm);
        expect(algorithms).toEqual(["ed25519ph", "ed25519"]);
      },
    ],
  );

  // Where is looked, and what is said.

  difference(
    "several-formats",
    async () => {
      const image = await newImage();
      const other = generateKey("p256");
      await signHere({ images: [image.reference], formats: ["cosign"], key: privatePem });
      await signHere({ images: [image.reference], formats: ["bundle"], key: other.privatePem });
      return image;
    },
    [
      "looks at no signature tag where any bundle is attached",
      async (image) => refuses(await cosignVerify(byKey(publicPem), image), /could not verify|invalid signature/),
    ],
    [
      "looks at both, and reports each signature",
      async (image) => {
        const done = await here(image, { key: publicPem });
        expect(verdictsOf(done)).toEqual(["trusted"]);
        const found = done.report.images[0]?.signatures.map(({ format, trusted }) => [format, trusted]);
        expect(found).toEqual([
          ["cosign", true],
          ["bundle", false],
        ]);
      },
    ],
  );

  difference(
    "several-images",
    async () => {
      const [legacy, unsigned, bundle] = await Promise.all([newImage(), newImage(), newImage()]);
      await signHere({ images: [legacy.reference], formats: ["cosign"], key: privatePem });
      await signHere({ images: [bundle.reference], formats: ["bundle"], key: privatePem });
      return { legacy, unsigned, bundle };
    },
    [
      "stops at the first that fails, and reads all in the format of the first",
      async ({ legacy, unsigned, bundle }) => {
        const stopped = await cosignVerify(byKey(publicPem), unsigned, legacy);
        refuses(stopped, /no signatures found/);
        expect(stopped.stdout).not.toContain(legacy.digest);
        refuses(await cosignVerify(byKey(publicPem), legacy, bundle), /no signatures found/);
      },
    ],
    [
      "gives each its verdict",
      async ({ legacy, unsigned, bundle }) => {
        const done = await here([unsigned, legacy, bundle], { key: publicPem });
        expect(verdictsOf(done)).toEqual(["unsigned", "trusted", "trusted"]);
        expect(done.exitCode).toBe(1);
      },
    ],
  );

  difference(
    "could-not-look",
    async () => {
      throttling = await startRegistry({
        wrap: [
          (handler) =>
            withFaults(handler, [
              { path: /\/referrers\//, fault: throttled(3600) },
              { method: "GET", path: /\/manifests\/sha256-/, fault: status(404) },
            ]),
        ],
      });
      return { image: await newImage(throttling.host) };
    },
    [
      "says that there are no signatures where the registry throttled the look",
      async ({ image }) => {
        const done = await cosignVerify(byKey(publicPem), image);
        refuses(done, /no signatures found/);
        expect(done.exitCode).toBe(10);
      },
    ],
    [
      "says that it could not tell, exit status 3",
      async ({ image }) => {
        const done = await here(image, { key: publicPem });
        expect(verdictsOf(done)).toEqual(["undetermined E_REGISTRY_THROTTLED"]);
        expect(done.exitCode).toBe(3);
      },
    ],
  );

  difference(
    "exit-status",
    async () => {
      const [unsigned, legacy, bundle] = await Promise.all([newImage(), newImage(), newImage()]);
      const images = [legacy.reference];
      await signHere({ images, formats: ["cosign"], key: privatePem });
      await signHere({ images: [bundle.reference], formats: ["bundle"], key: privatePem });
      return { unsigned, legacy, bundle, other: generateKey("p256").publicPem };
    },
    [
      "ends with 10, 12 and 1 for unsigned, another key, and another key of a bundle",
      async ({ unsigned, legacy, bundle, other }) => {
        const exits = [];
        for (const image of [unsigned, legacy, bundle]) exits.push((await cosignVerify(byKey(other), image)).exitCode);
        expect(exits).toEqual([10, 12, 1]);
      },
    ],
    [
      "ends with 1 for each, the report tells which",
      async ({ unsigned, legacy, bundle, other }) => {
        const done = await here([unsigned, legacy, bundle], { key: other });
        expect(done.exitCode).toBe(1);
        expect(done.report.images.map(({ verdict }) => verdict)).toEqual(["unsigned", "untrusted", "untrusted"]);
      },
    ],
  );

  difference(
    "transparency-log",
    async () => {
      const images = await Promise.all([newImage(), newImage()]);
      for (const [position, format] of (["cosign", "bundle"] as const).entries()) {
        const references = images.slice(position, position + 1).map(({ reference }) => reference);
        await signHere({ images: references, formats: [format], key: privatePem });
      }
      return images;
    },
    [
      "wants a log entry of every signature unless told to ignore the log",
      async (images) => {
        // A trusted root of the caller's own, so that nothing is asked of Sigstore's servers.
        const trustedRoot = ["--trusted-root", fileOf(await cosignTrustedRoot(root.pem))];
        for (const { reference } of images) {
          const done = await runCosign(["verify", ...byKey(publicPem), ...trustedRoot, reference]);
          refuses(done, /log/);
        }
        for (const image of images) accepts(await cosignVerify([...byKey(publicPem), ...trustedRoot], image));
      },
    ],
    [
      "asks for none, and refuses to be told that it should",
      async (images) => {
        expect(verdictsOf(await here(images, { key: publicPem }))).toEqual(["trusted", "trusted"]);
        const strict = await runCountersign([
          ...["verify", "--key", fileOf(publicPem), "--insecure-ignore-tlog=false"],
          ...images.map(({ reference }) => reference),
        ]);
        expect(strict.exitCode).toBe(2);
        expect(strict.stderr).toContain("E_USAGE");
      },
    ],
  );

  difference(
    "claims-always-checked",
    async () => {
      const [image, other] = await Promise.all([newImage(), newImage()]);
      await signHere({ images: [image.reference], formats: ["cosign"], key: privatePem });
      await plant(other, await keptSignatures(image, "cosign"));
      return other;
    },
    [
      "takes another image's signature with --check-claims=false",
      async (image) => accepts(await cosignVerify([...byKey(publicPem), "--check-claims=false"], image)),
    ],
    [
      "checks claims always, and refuses to be told otherwise",
      async (image) => {
        expect(verdictsOf(await here(image, { key: publicPem }))).toEqual(["untrusted E_SUBJECT_MISMATCH"]);
        const told = await runCountersign([
          ...["verify", "--key", fileOf(publicPem), "--check-claims=false", image.reference],
        ]);
        expect(told.exitCode).toBe(2);
        expect(told.stderr).toContain("E_USAGE");
      },
    ],
  );

  difference(
    "key-of-a-certificate",
    async () => {
      const by = leaf();
      const images = [await signedHere(by, "cosign"), await signedHere(by, "bundle")];
      return { images, key: pemOf(by).publicKey };
    },
    [
      "verifies by the certificate's key alone in the legacy format, not in a bundle",
      async ({ images: [legacy, bundle], key }) => {
        if (legacy === undefined || bundle === undefined) throw new Error("two images");
        accepts(await cosignVerify(byKey(key), legacy));
        refuses(await cosignVerify(byKey(key), bundle), /expected key signature/);
      },
    ],
    [
      "verifies by it in both",
      async ({ images, key }) => expect(verdictsOf(await here(images, { key }))).toEqual(["trusted", "trusted"]),
    ],
  );

  difference(
    "default-format",
    async () => {
      const { privateKey: key } = await cosignImportKey(privatePem);
      return { key, images: await Promise.all([newImage(), newImage(), newImage()]) };
    },
    [
      "signs as a bundle unless told",
      async ({ key, images: [image] }) => {
        if (image === undefined) throw new Error("no image");
        const flags = ["--use-signing-config=false", "--tlog-upload=false", "--key", fileOf(key)];
        accepts(await runCosign(["sign", ...flags, image.reference]));
        const kept = await Promise.all(formats.map((format) => keptSignatures(image, format)));
        expect(kept.map(({ length }) => length)).toEqual([0, 1]);
      },
    ],
    [
      "signs under the signature tag unless told, by its own flag or cosign's",
      async ({ images: [, image, told] }) => {
        if (image === undefined || told === undefined) throw new Error("two images");
        const key = ["--key", fileOf(privatePem)];
        expect((await runCountersign(["sign", ...key, image.reference])).exitCode).toBe(0);
        const cosigns = ["--yes", "--tlog-upload=false", "--use-signing-config=false", "--new-bundle-format"];
        expect((await runCountersign(["sign", ...key, ...cosigns, told.reference])).exitCode).toBe(0);
        const counts = async (of: PushedImage) => [
          (await keptSignatures(of, "cosign")).length,
          (await keptSignatures(of, "bundle")).length,
        ];
        expect([await counts(image), await counts(told)]).toEqual([
          [1, 0],
          [0, 1],
        ]);
      },
    ],
  );

  difference(
    "signatures-elsewhere",
    async () => {
      const { privateKey: key } = await cosignImportKey(privatePem);
      const [image, mine] = await Promise.all([newImage(), newImage()]);
      const env = { COSIGN_REPOSITORY: `${registry.host}/elsewhere`, COSIGN_PASSWORD: cosignPassword };
      const flags = ["--use-signing-config=false", "--tlog-upload=false", "--new-bundle-format=false"];
      accepts(await runCosign(["sign", ...flags, "--key", fileOf(key), image.reference], { env }));
      return { image, mine, env };
    },
    [
      "keeps signatures where COSIGN_REPOSITORY says",
      async ({ image, env }) => {
        const verify = ["verify", "--insecure-ignore-tlog=true", ...byKey(publicPem), image.reference];
        accepts(await runCosign(verify, { env }));
        refuses(await runCosign(verify), /no signatures found/);
      },
    ],
    [
      "does not read that variable: signatures stand beside their image",
      async ({ image, mine, env }) => {
        const verify = ["verify", "--key", fileOf(publicPem)];
        const elsewhere = await runCountersign([...verify, image.reference], { env });
        expect([elsewhere.exitCode, elsewhere.stdout]).toEqual([1, expect.stringContaining("unsigned")]);
        await runCountersign(["sign", "--key", fileOf(privatePem), mine.reference], { env });
        expect((await runCountersign([...verify, mine.reference])).exitCode).toBe(0);
      },
    ],
  );

  difference(
    "signing-again",
    async () => {
      const { privateKey: key } = await cosignImportKey(privatePem);
      return { images: await Promise.all([newImage(), newImage()]), key };
    },
    [
      "adds a second bundle",
      async ({ images: [image], key }) => {
        if (image === undefined) throw new Error("no image");
        accepts(await cosignSign({ image: image.reference, format: "bundle", key }));
        accepts(await cosignSign({ image: image.reference, format: "bundle", key }));
        expect(await keptSignatures(image, "bundle")).toHaveLength(2);
      },
    ],
    [
      "adds nothing",
      async ({ images: [, image] }) => {
        if (image === undefined) throw new Error("no image");
        const options = { images: [image.reference], formats: ["bundle", "cosign"] as const, key: privatePem };
        await signHere(options);
        const again = await signHere(options);
        expect(again.report.images[0]?.signatures.map(({ added }) => added)).toEqual([false, false]);
        expect(await keptSignatures(image, "bundle")).toHaveLength(1);
        expect(await keptSignatures(image, "cosign")).toHaveLength(1);
      },
    ],
  );

  difference(
    "overwritten-list",
    async () => {
      const { privateKey: key } = await cosignImportKey(privatePem);
      return { key, other: generateKey("p256") };
    },
    [
      "does not notice that a writer who had not seen its signature wrote the list without it",
      async ({ key, other }) => {
        for (const format of formats) {
          const { image, close } = await overwriting(format, other.privateKey);
          accepts(await cosignSign({ image: image.reference, format, key }));
          expect(await keptSignatures(image, format)).toHaveLength(1);
          refuses(await cosignVerify(byKey(publicPem), image), /signature/);
          await close();
        }
      },
    ],
    [
      "reads back, and puts its signature beside the other's",
      async ({ other }) => {
        for (const format of formats) {
          const { image, close } = await overwriting(format, other.privateKey);
          const signed = await signHere({ images: [image.reference], formats: [format], key: privatePem });
          expect(signed.exitCode, signed.stdout).toBe(0);
          expect(await keptSignatures(image, format)).toHaveLength(2);
          for (const key of [publicPem, other.publicPem]) {
            expect(verdictsOf(await here(image, { key }))).toEqual(["trusted"]);
          }
          await close();
        }
      },
    ],
  );

  difference(
    "attach-unchecked",
    async () => {
      const [image, mine, other] = await Promise.all([newImage(), newImage(), newImage()]);
      const rubbish = Buffer.from("no signature").toString("base64");
      const flags = ["--payload", fileOf(payloadOf(other)), "--signature", fileOf(rubbish)];
      return { image, mine, other, flags };
    },
    [
      "stores whatever it is handed, under the tag of the image that is named",
      async ({ image, flags }) => {
        accepts(await runCosign(["attach", "signature", ...flags, image.reference]));
        expect(await keptSignatures(image, "cosign")).toHaveLength(1);
      },
    ],
    [
      "stores what verifies, for the image that was signed, and so must be told the certificate or the key",
      async ({ mine, other, flags }) => {
        const unnamed = await runCountersign(["attach", "signature", ...flags, mine.reference]);
        expect([unnamed.exitCode, unnamed.stderr]).toEqual([2, expect.stringContaining("E_USAGE")]);
        const named = ["attach", "signature", ...flags, "--public-key", fileOf(publicPem)];
        for (const [image, code] of [
          [mine, "E_SUBJECT_MISMATCH"],
          [other, "E_SIGNATURE_MALFORMED"],
        ] as const) {
          const done = await runCountersign([...named, image.reference]);
          expect([done.exitCode, done.stderr]).toEqual([1, expect.stringContaining(code)]);
          expect(await keptSignatures(image, "cosign")).toHaveLength(0);
        }
      },
    ],
  );

  const carried = (name: string) => path.join(carrying, `${name}-${randomUUID()}`);
  const locally = (publicKey: string, folder: string) =>
    runCosign(["verify", "--insecure-ignore-tlog=true", "--key", fileOf(publicKey), "--local-image", folder]);
  const saveHere = (image: string, folder: string) => expectDone(runCountersign(["save", "--dir", folder, image]));
  const loadHere = (folder: string, image: string) => expectDone(runCountersign(["load", "--dir", folder, image]));
  const cosignSave = (image: string, folder: string) => expectDone(runCosign(["save", "--dir", folder, image]));

  difference(
    "load-order",
    async () => {
      const key = await cosignImportKey(generateKey("p256").privatePem);
      const image = await pushImage(registry.host, "load-order", "load-order", "1");
      await expectDone(cosignSign({ image: image.reference, format: "bundle", key: key.privateKey }));
      const folder = carried("load-order");
      await cosignSave(`${registry.host}/load-order:1`, folder);
      return { key, folder };
    },
    [
      "sends the manifest of a bundle before its blob, so that a registry that checks refuses it",
      async ({ folder }) => {
        const loaded = await runCosign(["load", "--dir", folder, `${registry.host}/load-order-cosign:1`]);
        expect(loaded.exitCode).not.toBe(0);
        expect(loaded.stderr).toMatch(/blob unknown|MANIFEST_BLOB_UNKNOWN/);
      },
    ],
    [
      "sends blobs first",
      async ({ key, folder }) => {
        const to = `${registry.host}/load-order-here:1`;
        await loadHere(folder, to);
        expect(verdictsOf(await verifyHere({ images: [to], trust: { key: key.publicKey } }))).toEqual(["trusted"]);
      },
    ],
  );

  difference(
    "load-attestations",
    async () => {
      const key = await cosignImportKey(generateKey("p256").privatePem);
      const image = await pushImage(registry.host, "load-attestations", "load-attestations", "1");
      await expectDone(cosignSign({ image: image.reference, format: "bundle", key: key.privateKey }));
      const flags = ["--new-bundle-format=false", "--use-signing-config=false", "--tlog-upload=false"];
      const predicate = ["--predicate", fileOf("{}"), "--key", fileOf(key.privateKey)];
      await expectDone(runCosign(["attest", ...flags, ...predicate, image.reference]));
      const folder = carried("load-attestations");
      await cosignSave(`${registry.host}/load-attestations:1`, folder);
      return { key, folder };
    },
    [
      "loads no bundle when there is an .att beside it",
      async ({ key, folder }) => {
        const lenient = await startLenientRegistry();
        const to = `${lenient.host}/app:1`;
        await expectDone(runCosign(["load", "--dir", folder, to]));
        const verified = await runCosign(["verify", "--insecure-ignore-tlog=true", ...byKey(key.publicKey), to]);
        expect(verified.stderr).toContain("no signatures found");
        await lenient.close();
      },
    ],
    [
      "loads both",
      async ({ key, folder }) => {
        const to = `${registry.host}/load-attestations-here:1`;
        await loadHere(folder, to);
        const verified = await runCosign(["verify", "--insecure-ignore-tlog=true", ...byKey(key.publicKey), to]);
        expect(verified.exitCode, verified.stderr).toBe(0);
        const attested = ["verify-attestation", "--new-bundle-format=false", "--insecure-ignore-tlog=true"];
        await expectDone(runCosign([...attested, "--key", fileOf(key.publicKey), to]));
      },
    ],
  );

  difference(
    "saved-index",
    async () => {
      const key = await cosignImportKey(generateKey("p256").privatePem);
      const { index } = await pushIndex(registry.host, "saved-index", ["amd64", "arm64"], "1");
      await expectDone(cosignSign({ image: index.reference, format: "bundle", key: key.privateKey, recursive: true }));
      return { key, image: `${registry.host}/saved-index:1` };
    },
    [
      "saves no signature of a platform, and finds no bundle of a saved index",
      async ({ key, image }) => {
        const folder = carried("saved-index");
        await cosignSave(image, folder);
        const local = await locally(key.publicKey, folder);
        expect([local.exitCode, local.stderr]).toEqual([1, expect.stringContaining("no signatures associated")]);
        const here = await verifyHere({
          images: [`oci:${folder}`],
          trust: { key: key.publicKey },
          flags: ["--recursive"],
        });
        expect(verdictsOf(here)).toEqual(["trusted", "unsigned", "unsigned"]);
      },
    ],
    [
      "saves and finds them",
      async ({ key, image }) => {
        const folder = carried("saved-index");
        await saveHere(image, folder);
        const here = await verifyHere({
          images: [`oci:${folder}`],
          trust: { key: key.publicKey },
          flags: ["--recursive"],
        });
        expect(verdictsOf(here)).toEqual(["trusted", "trusted", "trusted"]);
      },
    ],
  );

  difference(
    "save-again",
    async () => {
      const key = await cosignImportKey(generateKey("p256").privatePem);
      const images = [];
      for (const tag of ["1", "2"]) {
        const { reference } = await pushImage(registry.host, "save-again", `save-again ${tag}`, tag);
        await expectDone(cosignSign({ image: reference, format: "cosign", key: key.privateKey }));
        images.push(`${registry.host}/save-again:${tag}`);
      }
      return { key, images };
    },
    [
      "forgets the image that was saved into the folder before",
      async ({ images }) => {
        const folder = carried("save-again");
        for (const image of images) await cosignSave(image, folder);
        const index = JSON.parse(readFileSync(path.join(folder, "index.json"), "utf8"));
        expect(index.manifests).toHaveLength(2);
      },
    ],
    [
      "keeps it, and cosign reads the last",
      async ({ key, images }) => {
        const folder = carried("save-again");
        for (const image of images) await saveHere(image, folder);
        const saved = ["1", "2"].map((tag) => `oci:${folder}:${tag}`);
        const here = await verifyHere({ images: saved, trust: { key: key.publicKey } });
        expect(verdictsOf(here)).toEqual(["trusted", "trusted"]);
        const local = await locally(key.publicKey, folder);
        expect(local.exitCode, local.stderr).toBe(0);
        expect(local.stdout).toContain(here.report.images[1]?.digest);
      },
    ],
  );

  it("says what these tests show, row by row, and nothing else", () => {
    const page = readFileSync(new URL("../../docs/differences.md", import.meta.url), "utf8");
    const [document = ""] = page.split("# Differences from notation");
    const cell = "((?:[^|\\\\]|\\\\.)+)";
    const row = new RegExp(`^\\| \`([a-z0-9-]+)\` \\| ${cell} \\| ${cell} \\| ${cell} \\|$`, "gm");
    const documented = [...document.matchAll(row)].map(([, id, cosign, here]) => [id, cosign, here]);
    expect(documented.map((cells) => cells.map((text) => text?.replaceAll("`", "")))).toEqual(
      rows.map((cells) => cells.map((text) => text.replaceAll("`", ""))),
    );
  });
});

async function expectDone(running: Promise<{ exitCode: number; stdout: string; stderr: string }>): Promise<void> {
  const { exitCode, stdout, stderr } = await running;
  expect(exitCode, stdout + stderr).toBe(0);
}

/**
 * An image in a registry without referrers API, where right after the first write of the list of its signatures another writer,
 * who had read it before, writes it with nothing but its own signature.
 */
async function overwriting(
  format: (typeof formats)[number],
  key: KeyObject,
): Promise<{ readonly image: PushedImage; close(): Promise<void> }> {
  const list = /\/manifests\/sha256-[0-9a-f]{64}(?:\.sig)?$/;
  let image: PushedImage | undefined;
  let overwritten = false;
  const { host, close } = await startRegistry({
    referrersApi: false,
    wrap: [
      (handler) => async (request) => {
        const answer = await handler(request);
        if (image !== undefined && !overwritten && request.method === "PUT" && list.test(request.url.pathname)) {
          overwritten = true;
          const signature =
            format === "cosign" ? craftLegacy(payloadOf(image), { key }) : craftBundle(statementOf(image), { key });
          await plant(image, [signature]);
        }
        return answer;
      },
    ],
  });
  image = await pushImage(host, "overwritten", format);
  return { image, close };
}
