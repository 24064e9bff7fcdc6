import { describe, expect, it } from "vitest";
import { refusedByCosign } from "../../src/formats/cosign-acceptance.ts";
import { formats } from "../../src/formats/registry.ts";
import { createPki, makeKey, makePssKey } from "../trust/support/pki.ts";
import { bareKey, certified, plain, subject } from "./support/signing.ts";

// That these sentences are true of cosign 3.1.2 is shown in test/interop/external-signer.test.ts.

const names = ["cosign", "bundle"] as const;
const kinds = ["p256", "p384", "p521", "rsa2048", "ed25519"] as const;

describe("what cosign will not verify", () => {
  it.each(kinds)("is nothing of what is chosen for %s by default", (keyKind) => {
    const pki = createPki({ leaf: { keyKind } });
    for (const name of names) {
      for (const material of [bareKey(pki.key), certified(pki)]) {
        const { algorithm } = formats[name].prepare(subject, material, plain);
        expect(refusedByCosign(name, algorithm, material, {})).toEqual([]);
      }
    }
  });

  it("is told with the flag that makes it, for a key", () => {
    expect(refusedByCosign("cosign", "ecdsa-p384-sha384", bareKey(makeKey("p384")), {})).toEqual([
      "cosign: cosign verify does not accept ecdsa-p384-sha384 unless told by --signature-digest-algorithm sha384; it would accept ecdsa-p384-sha256",
    ]);
  });

  it("is Ed25519ph, which cosign makes itself", () => {
    expect(refusedByCosign("bundle", "ed25519ph", bareKey(makeKey("ed25519")), {})).toEqual([
      "bundle: cosign verify does not accept ed25519ph; it would accept ed25519",
    ]);
  });

  it("is everything that a key bound to RSA-PSS can do", () => {
    const material = bareKey(makePssKey("sha256", "sha256", 32));
    expect(refusedByCosign("cosign", "rsa-pss-sha256", material, {})).toEqual([
      "cosign: cosign verify does not accept rsa-pss-sha256; it would accept no algorithm that this key permits: it verifies no RSA-PSS",
    ]);
  });

  it("is a bundle that holds a chain, where there is one to hold", () => {
    const pki = createPki();
    const embed = { embedChain: true };
    expect(refusedByCosign("bundle", "ecdsa-p256-sha256", certified(pki), embed)).toEqual([
      expect.stringContaining("without --embed-chain"),
    ]);
    expect(refusedByCosign("bundle", "ecdsa-p256-sha256", certified(pki, 0), embed)).toEqual([]);
    expect(refusedByCosign("cosign", "ecdsa-p256-sha256", certified(pki), embed)).toEqual([]);
  });
});
