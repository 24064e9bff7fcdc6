import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeDer } from "../../src/trust/der.ts";
import { decodeGeneralName } from "../../src/trust/general-names.ts";
import { decodeName } from "../../src/trust/names.ts";
import { parseRequestedName } from "../../src/trust/requested-names.ts";
import { encodeGeneralNames, encodeName } from "../../src/trust/write-names.ts";
import { sequenceOf, setOf } from "./support/der-writer.ts";
import { attributeDer, nameDer } from "./support/pki.ts";

const textOf = (der: Uint8Array) => decodeName(decodeDer(der, "name"), "name").text;

describe("a distinguished name written as RFC 4514 text", () => {
  it("is encoded root first, as a certificate holds it", () => {
    const der = nameDer([
      ["C", "CH"],
      ["O", 'Example "AG", Bern'],
      ["CN", "release"],
    ]);
    expect(Buffer.from(encodeName('CN=release,O=Example \\"AG\\"\\, Bern,C=CH'))).toEqual(der);
    expect(Buffer.from(encodeName("cn = release , 2.5.4.10=Example \\22AG\\22\\2C Bern, c=CH"))).toEqual(der);
  });

  it("may have levels of several attributes", () => {
    const pair = [attributeDer("CN", "a"), attributeDer("OU", "b")] as const;
    expect(Buffer.from(encodeName("OU=b+CN=a"))).toEqual(sequenceOf(setOf(...pair)));
  });

  it("reads back as it was written, whatever its values hold", () => {
    const type = fc.constantFrom("CN", "O", "OU", "ST", "L");
    const value = fc.string({ unit: "binary", minLength: 1, maxLength: 20 }).filter((text) => !text.includes("\u0000"));
    fc.assert(
      fc.property(fc.array(fc.tuple(type, value), { minLength: 1, maxLength: 5 }), (attributes) => {
        const text = textOf(nameDer(attributes));
        const der = encodeName(text);
        expect(textOf(der)).toBe(text);
        expect(Buffer.from(der)).toEqual(nameDer(attributes));
      }),
    );
  });

  it.each([
    "",
    "release",
    "CN=",
    "=x",
    "X=1",
    "CN=a,",
    "CN=#0c0161",
    'CN="a"',
    "CN=a;O=b",
    "C=CHE",
    "CN=\\zz",
    "CN=\\ff",
    "CN=a\\",
    "DC=ä",
  ])("%j is refused", (text) => {
    expect(() => encodeName(text)).toThrow(expect.objectContaining({ code: "E_USAGE" }));
  });

  it("any other text is a name or wrong use, never a fault", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom("C", "N", "=", ",", "+", "\\", " ", '"', "#", "2", ".", "ä") }),
        (text) => {
          try {
            expect(textOf(encodeName(text))).not.toBe("");
          } catch (error) {
            expect(error).toMatchObject({ code: "E_USAGE" });
          }
        },
      ),
    );
  });
});

describe("an alternative name as a flag writes it", () => {
  it.each([
    ["uri:https://ci.example.com/a?b#c", "uri", "https://ci.example.com/a?b#c"],
    ["uri:spiffe://example.com/ci", "uri", "spiffe://example.com/ci"],
    ["email:release@example.com", "email", "release@example.com"],
    ["dns:ci.example.com", "dns", "ci.example.com"],
    ["ip:192.0.2.1", "ip", "192.0.2.1"],
    ["ip:2001:db8:0:0:0:0:0:1", "ip", "2001:db8::1"],
    ["ip:::", "ip", "::"],
    ["dirname:CN=a\\,b,O=Example", "directory", "CN=a\\,b,O=Example"],
    ["rid:1.3.6.1.4.1.99999", "registered-id", "1.3.6.1.4.1.99999"],
  ])("%s is encoded as what it says", (text, type, value) => {
    const [first] = decodeDer(encodeGeneralNames([parseRequestedName(text)]), "names").subs;
    expect(first && decodeGeneralName(first, "name")).toEqual({ type, value });
  });

  it.each([
    ...["uri:release", "uri:https://a b", "uri:https://ä.example", "email:x", "email:a@b@c", "email:@x", "email:a@-b"],
    ...[
      "dns:a..b",
      "dns:-a",
      "dns:*.example.com",
      `dns:${"a".repeat(64)}`,
      "ip:1.2.3",
      "ip:01.2.3.4",
      "ip:1.2.3.256",
      "ip:1::2::3",
    ],
    ...["ip:fe80::1%eth0", "rid:1.x", "dirname:x", "other:x", "x", "", ":x"],
  ])("%j is refused", (text) => {
    expect(() => encodeGeneralNames([parseRequestedName(text)])).toThrow(expect.objectContaining({ code: "E_USAGE" }));
  });
});
