import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isCountersignError } from "../../src/model/errors.ts";
import { listFault, parseRevocationLists } from "../../src/trust/crl.ts";
import { issueRevocationList } from "../../src/trust/issue-crl.ts";
import { encodeOcspRequest, readOcspResponse } from "../../src/trust/ocsp.ts";
import { revocationAddresses } from "../../src/trust/revocation-addresses.ts";
import { authority, createPki, DAY, issue, NOW } from "./support/pki.ts";

const pki = createPki({ intermediates: [], leaf: { serial: "2a" } });
const { certificate } = pki.leaf;
const issuer = pki.root.certificate;
const nonce = new Uint8Array(16).fill(7);

const list = (serial: string, thisUpdate = NOW, nextUpdate = new Date(NOW.getTime() + DAY)) =>
  issueRevocationList(
    { issuer, number: 1, thisUpdate, nextUpdate, revoked: [{ serial, at: NOW, reason: "keyCompromise" }] },
    pki.root.key,
  );

describe("a list as `pki crl` writes it", () => {
  it("is read, with what it revokes", () => {
    const [found] = parseRevocationLists(list("2a"));
    expect(found && listFault(found, certificate, issuer, NOW)).toBeUndefined();
    expect(found?.revoked.get("2a")).toEqual({ at: NOW, invalidityDate: undefined });
    expect(found?.revoked.has("2b")).toBe(false);
  });

  it.each([
    ["before it holds", new Date(NOW.getTime() - DAY), /to come/],
    ["after it held", new Date(NOW.getTime() + 2 * DAY), /it held until/],
  ])("does not count %s", (_, at, why) => {
    const [found] = parseRevocationLists(list("2a"));
    expect(found && listFault(found, certificate, issuer, at)).toMatch(why);
  });

  it("does not count by an issuer that may not sign lists", () => {
    const silent = issue({ ...authority("Root"), keyUsage: ["keyCertSign"], key: pki.root.key });
    const [found] = parseRevocationLists(list("2a"));
    expect(found && listFault(found, certificate, silent.certificate, NOW)).toMatch(/may not sign lists/);
  });
});

describe("any bytes", () => {
  const der = Buffer.from(list("2a"));

  it("are a list or refused in one of two codes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(refusal(bytes)).toBe("E_REVOCATION_UNCHECKED");
      }),
    );
  });

  it("that are a list with one octet changed never tell a revoked certificate good", () => {
    fc.assert(
      fc.property(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Buffer.from(der);
        changed[at] = (changed[at] ?? 0) ^ flip;
        if (refusal(changed) !== undefined) return;
        for (const found of parseRevocationLists(changed)) {
          if (listFault(found, certificate, issuer, NOW) === undefined) expect(found.revoked.has("2a")).toBe(true);
        }
      }),
      { numRuns: 400 },
    );
  });

  it("are no OCSP response that says anything", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(readOcspResponse(bytes, certificate, issuer, nonce, NOW).status).toBe("unusable");
      }),
    );
    const request = encodeOcspRequest(certificate, issuer, nonce);
    expect(readOcspResponse(request, certificate, issuer, nonce, NOW).status).toBe("unusable");
  });

  it("as the addresses of a certificate are read or said to be unreadable", () => {
    fc.assert(
      fc.property(fc.constantFrom("1.3.6.1.5.5.7.1.1", "2.5.29.31"), fc.uint8Array({ maxLength: 60 }), (oid, value) => {
        const odd = { ...certificate, extensions: [{ oid, critical: false, value: new Uint8Array(value) }] };
        const found = revocationAddresses(odd);
        expect(found.unreadable || found.ocsp.length + found.crl.length > 0 || oid === "1.3.6.1.5.5.7.1.1").toBe(true);
      }),
    );
  });

  function refusal(bytes: Uint8Array): string | undefined {
    try {
      parseRevocationLists(bytes);
      return undefined;
    } catch (error) {
      if (!isCountersignError(error)) throw error;
      return error.code;
    }
  }
});
